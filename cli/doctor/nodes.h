// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/ask.h"

namespace holon::cli {

// The output of sinfo -N -o "%N %T": nodes that should answer, and those that Slurm itself has
// given up or switched off.
struct NodeList {
    std::vector<std::string> up, away;
};
NodeList parse_sinfo(std::string_view text);

// How far the answering node's clock is ahead of ours (negative: behind), as far as that can be
// known.
std::optional<std::int64_t> clock_skew_ns(const Answer& answer);

}  // namespace holon::cli
