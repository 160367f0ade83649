// SPDX-License-Identifier: GPL-2.0-or-later
//
// The address space of a body process: what the home says, done here. The agent's thread only.
#pragma once

#include "ssi/wire/frame.h"

#include <cstddef>

namespace holon::ssi::body_space {

/// A frame of the page link that is about mappings. Under the space lock.
void apply(const wire::Frame& frame, const std::byte* payload);
/// Something of [begin, begin + size) is memory that the program has at home only. Any thread.
bool only_at_home(std::uint64_t begin, std::uint64_t size);
bool any_only_at_home();
/// The daemon has a channel for a new thread.
void take_channel();

}  // namespace holon::ssi::body_space
