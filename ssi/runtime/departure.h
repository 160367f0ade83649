// SPDX-License-Identifier: GPL-2.0-or-later
//
// A thread at home is asked to go to another node, wherever it is. The kernel's own way to reach it
// is a signal, which ends what it waits in with EINTR; the program must not see that, as it does
// not when a kernel moves a thread that sleeps. So it is looked at first what the thread does: a
// call that is interrupted is made again, there or here. Of calls that wait for a time nobody can
// say what is left of it; their threads are left asleep, where they need no CPU, and are asked when
// they have woken up.
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi::departure {

/// Any thread but the one that is asked, under no lock.
void ask(Thread* thread);
/// Agent's thread, under no lock: those that were asleep. ns until they must be looked at again, 0:
/// there are none.
std::uint64_t look_again();
/// In a fork child: nobody is asked.
void forget();
/// The calling thread, which was asked, in the signal's handler and in the program's code: the call
/// that the signal has interrupted is made again at `context`.
void repeat_call(const Thread* thread, sys::UContext* context);

}  // namespace holon::ssi::departure
