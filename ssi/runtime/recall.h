// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bodies come home: because the program does what is not supported across nodes (it is pinned), or
// because it is better off there. A body that is asked stops where it is, in the program's code or
// at a system call that it then makes again, sends its state to its deputy and ends; the deputy
// goes on from there as an ordinary thread.
#pragma once

#include "ssi/runtime/calls.h"

namespace holon::ssi {

/// The call cannot be right while threads are away: what the table (ssi/syscalls) says pins.
bool needs_home(const CallArgs& call);

/// Why, as `ssi ps` shows it: the call's name.
const char* pin_reason(const CallArgs& call);

/// No thread leaves home any more, and all that are away are asked to come. `reason` is what `ssi
/// ps` shows. Any thread of the home process, under no lock.
void recall_all(const char* reason);
/// Asks one body to come home, not the calling thread's. Its process is not pinned for that.
void recall_one(Thread* thread);
/// The calling thread was kicked where it cannot be moved from, in the vDSO, whose code calls that
/// of its kernel: the kick comes again in a moment.
void kick_later(Thread* thread);
/// Until all are home. Not in a deputy.
void wait_for_all();
/// All are home: their memory too, and from now on the process is one that was never armed, but for
/// its filter. Not in a deputy.
void disarm();

/// Deputy: its body has come, its state is in thread->state.
[[noreturn]] void come_home(Thread* thread);

/// Body's node: the body of that thread is to go home. The agent's thread only.
void send_home(std::uint32_t number);
/// Body's node: a thread that was asked to go home before it had arrived.
bool sent_home_early(std::uint32_t number);
/// Body: goes, if it was asked to and is in the program's code. `context` is where.
void go_home_if_asked(Thread* thread, sys::UContext* context);
/// Body: goes. `context` is in the program's code, or in its vDSO outside a call of the kernel's.
/// `reason`: 0, it was asked to; 1, it touched memory that is only at home.
[[noreturn]] void go_home(Thread* thread, sys::UContext* context, std::int64_t reason);

}  // namespace holon::ssi
