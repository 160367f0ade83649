// SPDX-License-Identifier: GPL-2.0-or-later
//
// Orders of users: `ssi move` names a thread and a node, `ssi top` wants to look. The daemon passes
// them on over a socket that the agent listens to (ssi/control/control.h). A thread that is to move
// goes itself, as one does that is bound to CPUs elsewhere (affinity.h); its mask stays what it is.
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi::relocate {

/// The socket, -1: none.
int orders();
/// Asks the daemon for it. Before the agent runs.
void attend();
/// Agent's thread, without any lock: there is something on the socket.
void take_order();
/// Tells the daemon that everything is at home.
void at_home();
/// In a fork child: orders are for the parent.
void forget();

/// The calling thread, at home in the program's code, was kicked: does not return if it goes.
void leave_if_asked(Thread* thread, const sys::UContext& context);
/// A deputy: its body has been sent off.
void arrived(Thread* thread);
/// A thread is at home, all signals blocked; `was_away`: else it has not got away. May not return.
void arrived_home(Thread* thread, bool was_away);

}  // namespace holon::ssi::relocate
