// SPDX-License-Identifier: GPL-2.0-or-later
//
// Never worse: whether a program is better off with its threads on several nodes or at home. It is
// judged by what being apart costs: every page that has to change hands and every forwarded call
// stops a thread for a network round trip or two. Where that takes a large part of the time that
// the nodes' CPUs bring, for long enough not to be the mere start of a phase, all threads are
// recalled.
#pragma once

#include "ssi/runtime/thread.h"

#include "ssi/dsm/types.h"

namespace holon::ssi::policy {

/// A call was forwarded. Any deputy.
void count_call();
/// Judges when a window is over, by what the page protocol has counted so far. Agent's thread,
/// under the space lock. True: the program is to be taken home.
bool judge(std::uint64_t now, const dsm::Counters& counters);

/// The body of this deputy comes home for memory that is only there; its thread stays.
void came_for_memory(Thread* thread);

/// Starts the thread that recalls everybody and lets go of the memory. Then, if the daemon wants to
/// be told, it is.
void take_home(const char* reason, bool tell = false);

}  // namespace holon::ssi::policy
