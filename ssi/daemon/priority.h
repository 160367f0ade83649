// SPDX-License-Identifier: GPL-2.0-or-later
//
// Agents before all that computes. An agent works for microseconds at a time, while a thread of the
// program, here or on another node, does nothing but wait for it; beside a thread that computes,
// the kernel would let it wait for milliseconds.
#pragma once

#include <sys/types.h>

namespace holon::ssi::daemon {

// Of a process of that user, too: the number of one that has gone may be somebody else's now.
bool is_thread_of(pid_t process, pid_t thread, uid_t user);

// SCHED_FIFO, lowest of its priorities; where that is refused (a container without the right to
// it), nice -20; where that is refused, as it was. What the thread starts is as any other.
void run_before_all(pid_t thread);

}  // namespace holon::ssi::daemon
