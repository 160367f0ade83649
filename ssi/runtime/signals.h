// SPDX-License-Identifier: GPL-2.0-or-later
//
// The program's signals. At home the kernel delivers them: to home threads as always, to a deputy
// on behalf of its body. The kernel knows one handler for all (entry.S, ssi_home_signal), which
// goes on to the program's own, or, in a deputy, keeps the signal until it can be passed to the
// body's node.
//
// A deputy's kernel mask is its body's: the body tells it with every call, and by itself when the
// mask changes otherwise. So the kernel chooses among threads as it would without the engine.
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi {

/// Once, at preparation: the handlers that the program has already.
void adopt_handlers();

/// rt_sigaction as the program means it.
long signal_action(long signo, std::uint64_t action, std::uint64_t old, long size);

/// What the program does about a signal: handler, flags, mask as it gave them.
sys::SigAction program_action(long signo);

/// In a fork child: nobody else changes an action.
void release_actions();

/// Deputy: from now on the kernel's mask for it is its body's.
void set_deputy_mask(Thread* thread, std::uint64_t mask);
/// Deputy: sends what has come to its body's node. Not under any lock.
void pass_signals(Thread* thread);

/// Body's node: a signal has come for that thread. The agent's thread only.
void receive_signal(std::uint32_t number, const PendingSignal& signal);
/// Body: turns `context` into the entry of the handlers of all signals that may be delivered now.
void deliver_signals(Thread* thread, sys::UContext* context);

}  // namespace holon::ssi
