// SPDX-License-Identifier: GPL-2.0-or-later
//
// Time as the program sees it: the same on every node, and never going back from one message to the
// next.
#pragma once

#include <cstdint>

namespace holon::ssi {

/// CLOCK_MONOTONIC in the program's terms, ns.
std::uint64_t clock_now();
/// A message was stamped so: from now on nothing earlier is reported on this node.
void clock_seen(std::uint64_t stamp);

/// This kernel's CLOCK_MONOTONIC, ns: the page protocol's time, which never leaves the node.
std::uint64_t agent_clock();

}  // namespace holon::ssi
