// SPDX-License-Identifier: GPL-2.0-or-later
//
// What one node tells of itself, for the views of the whole machine.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ssi/control/cpu_mask.h"

namespace holon::ssi::view {

inline constexpr std::size_t stat_fields = 10;  // user … guest_nice
using CpuTimes = std::array<std::uint64_t, stat_fields>;

struct Report {
    std::uint32_t cpus = 0;
    bool up = false;
    std::string cpuinfo;           // of the first CPU, its lines
    std::vector<CpuTimes> times;   // of each CPU
    std::array<double, 3> load{};  // /proc/loadavg
    std::uint32_t running = 0, tasks = 0;
    std::uint64_t switches = 0, forks = 0;
};

// From the text of /proc/cpuinfo, /proc/stat and /proc/loadavg; CPUS stand for KERNEL's as for
// programs (cpu_mask.h).
Report make_report(std::string_view cpuinfo, std::string_view stat, std::string_view loadavg,
                   std::uint32_t cpus, const KernelCpus& kernel);
Report report_of_this_node(std::uint32_t cpus, const KernelCpus& kernel);

// Between daemons, and from a daemon to its views. Decoding throws Error for anything else.
std::string encode(const Report& report);
Report decode_report(std::string_view text);

}  // namespace holon::ssi::view
