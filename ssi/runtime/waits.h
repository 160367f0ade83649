// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls that wait for so long, and no longer. A deputy gives up the call that it waits in when its
// thread comes home, and the thread makes it again there: then for what is left of the time. The
// instruction is the program's own and says how long in a register; that is changed, to the rest
// itself or to where the rest lies.
#pragma once

#include "ssi/runtime/calls.h"

namespace holon::ssi::waits {

/// Deputy: such a call begins. Others mean nothing here.
void begin(Thread* thread, const CallArgs& call);
/// Deputy: it was given up for its thread to come home.
void given_up(Thread* thread, const CallArgs& call);
/// Deputy: its thread has come home, to where `thread->state` says.
void go_on(Thread* thread);

}  // namespace holon::ssi::waits
