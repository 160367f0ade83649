// SPDX-License-Identifier: GPL-2.0-or-later
//
// The agent: the one thread per process and node that answers page faults and speaks on the page
// links. It and nobody else changes which pages this node has.
#pragma once

#include "ssi/runtime/lock.h"

namespace holon::ssi::agent {

/// Body process: frames of the page link that have taken effect here.
Sequence& applied();

/// Home: the agent's thread. Returns false where it cannot be made.
bool start();
/// Home: a link was added or something was queued while the agent sleeps.
void wake();
/// In a fork child, which has no agent.
void forget();
/// Body: the calling thread, in its handler of a kick, waits as long as the home is stopped.
void wait_while_stopped();
/// Body process: the agent is its first thread.
[[noreturn]] void run_body();

}  // namespace holon::ssi::agent
