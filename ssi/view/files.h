// SPDX-License-Identifier: GPL-2.0-or-later
//
// The files of the views, as text made from the nodes' reports. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ssi/view/report.h"

namespace holon::ssi::view {

// The machine: each node at its number; one that is down has its CPUs' numbers and no CPUs.
struct Machine {
    std::vector<Report> nodes;
    std::string stat;          // the home's /proc/stat: what is not about CPUs
    std::string loadavg;       // the home's
    std::uint64_t memory = 0;  // the home's, kB
    std::uint64_t free = 0;
};

// Names below the root of the views: proc/…, cpu/… (of /sys/devices/system), node/….
std::optional<std::string> file(const Machine& machine, std::string_view path);
// The names in a folder; none: it is no folder.
std::optional<std::vector<std::string>> folder(const Machine& machine, std::string_view path);

// "0-2,5" and "0000002f", as sysfs has sets of CPUs.
std::string list_of(const std::vector<unsigned>& cpus);
std::string mask_of(const std::vector<unsigned>& cpus, unsigned total);

}  // namespace holon::ssi::view
