// SPDX-License-Identifier: GPL-2.0-or-later
//
// Time as the program sees it: that of the home's kernel, on every node, and never going back from
// one message to the next. A body process asks the home what time it is when it begins, and once a
// second from then on.
#pragma once

#include <cstdint>

#include "ssi/wire/frame.h"

namespace holon::ssi {

class Link;

/// CLOCK_MONOTONIC in the program's terms, ns.
std::uint64_t clock_now();
/// A message was stamped so: from now on nothing earlier is reported on this node.
void clock_seen(std::uint64_t stamp);

/// This kernel's CLOCK_MONOTONIC, ns: the page protocol's time, which never leaves the node.
std::uint64_t agent_clock();

/// In a body process: asks the home; on the answer the clocks here follow it.
void ask_time(Link& link);
bool take_time(const wire::Frame& frame, const void* payload);
/// Until there has been an answer. No body may run before.
void wait_for_time();
inline constexpr std::uint64_t time_period = 1'000'000'000;  ///< ns between two questions

/// At home: true if the frame was such a question.
bool answer_time(Link& link, const wire::Frame& frame);

/// In a child that was made while another thread changed the clocks, and has not got that thread.
void forget_clock_change();

}  // namespace holon::ssi
