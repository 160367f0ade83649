// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls that wait for so long, and no longer. A deputy gives up the call that it waits in when its
// thread comes home, and the thread makes it again there: then for what is left of the time. The
// instruction is the program's own and says how long in a register; that is changed, to the rest
// itself or to where the rest lies. Of select, pselect and ppoll the kernel itself puts the rest
// where the time was.
#pragma once

#include "ssi/runtime/calls.h"

namespace holon::ssi::waits {

/// ns that the call waits at most, from when it is made on; 0: it is none of these. Reads no memory
/// of the program's: `unknown`, if that says how long.
std::int64_t longest(const CallArgs& call);
inline constexpr std::int64_t unknown = INT64_MAX;
/// Deputy: such a call begins. Others mean nothing here.
void begin(Thread* thread, const CallArgs& call);
/// Deputy: it was given up for its thread to come home.
void given_up(Thread* thread, const CallArgs& call);
/// Deputy: its thread has come home, to where `thread->state` says; it may leave again from there.
void go_on(Thread* thread);

}  // namespace holon::ssi::waits
