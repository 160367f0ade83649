// SPDX-License-Identifier: GPL-2.0-or-later
// Inside plugins/spec: the rules about single values that options.cpp (command line), build.cpp
// (request) and json.cpp (stored form) share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/spec/spec.h"

namespace holon::spec::rules {

inline constexpr std::uint64_t least_memory_mb = 64;         // below it no Linux kernel starts
inline constexpr std::uint64_t most_memory_mb = 1ull << 30;  // 1 PiB
inline constexpr std::uint32_t longest_boot_s = 7 * 24 * 3600;
inline constexpr std::uint32_t shortest_interval_s = 60;
inline constexpr std::uint32_t longest_interval_s = 365 * 24 * 3600;
inline constexpr std::uint32_t most_job_id = (1u << 26) - 1;
inline constexpr std::uint32_t most_number = 999'999'999;  // of a checkpoint
inline constexpr std::size_t longest_path = 4096;
inline constexpr std::uint32_t most_signal = 64;
inline constexpr std::uint32_t longest_before_s = 18 * 3600;  // Slurm has 16 bits for it

// A mode option and what it means. A job names exactly one.
struct ModeOption {
    std::string_view option;
    Mode mode;
    std::string_view json;
};
inline constexpr ModeOption modes[] = {
    {"vm-cluster", Mode::cluster, "cluster"},
    {"vm-smp", Mode::smp, "smp"},
};

const Option* find_option(std::string_view name);

// Decimal digits only, within [LEAST, MOST].
std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t least,
                                          std::uint64_t most);
bool is_image_name(std::string_view text);
bool is_clean_path(std::string_view text);  // absolute, valid UTF-8, no control characters
bool is_seed(std::string_view text);
std::optional<Network> network(std::string_view text);
std::string_view text_of(Network network);

}  // namespace holon::spec::rules
