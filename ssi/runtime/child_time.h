// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPU time that children of this process, and theirs, have used on other nodes: the daemon knows
// it, and is asked when a program asks its kernel.
//
// wait4 and waitid tell what one child has used. They wait, and signals must interrupt them as
// ever: so the call is not made where it was caught, in a handler with all signals blocked, but
// from a few instructions of the runtime's (entry.S, ssi_child_wait) to which the program is sent
// with its own stack and mask, and which add the rest when the kernel has answered.
#pragma once

#include "ssi/runtime/calls.h"

namespace holon::ssi::child_time {

/// getrusage(RUSAGE_CHILDREN, …), in whatever process at home.
long usage(const CallArgs& call);
/// times(), whose children's part the kernel at home cannot know; `user` and `system`: ns that this
/// process has used elsewhere itself.
long times(const CallArgs& call, std::uint64_t user, std::uint64_t system);
/// True: children have ended and were waited for. Without asking anybody.
bool any_ended();

/// True: the call waits for a child and tells what it has used.
bool is_wait(const CallArgs& call);
/// The program, which was caught at such a call, makes it in the runtime's instructions and goes on
/// at `after`.
void make_wait(sys::UContext* context, long number, std::uint64_t after);
/// Undoes that where the call was interrupted, or not made yet.
void take_back_wait(sys::UContext* context);
/// Such a call was made, with that result: adds what the child has used elsewhere. Signals are
/// blocked.
void waited(const CallArgs& call, long result);

}  // namespace holon::ssi::child_time
