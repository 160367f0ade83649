// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a daemon waits for when it has nothing to do.
#pragma once

#include <chrono>

namespace holon::ssi::daemon {

// SIGTERM or SIGINT, which every thread has blocked.
void wait_for_end();

// Ends the process without waiting for its threads, which own nothing that outlives it.
[[noreturn]] void exit_now();

// Until the next heartbeat is due, or something comes over the link, as its end does. A node is
// lost after TIMEOUT, in which several heartbeats fit.
void wait_for_heartbeat(int link, std::chrono::seconds timeout);

// Between two attempts to reach a node that does not answer, of which so many have failed in a row:
// nodes that start together find each other at once, one that is away for long is not pestered.
void wait_before_retry(unsigned failed);

}  // namespace holon::ssi::daemon
