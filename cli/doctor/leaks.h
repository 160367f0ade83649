// SPDX-License-Identifier: GPL-2.0-or-later
// What ended jobs left on this host. Every kind of thing that holond makes for a job run is looked
// for by itself, not in holond's books: the books are what is being checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/doctor/site.h"

namespace holon::cli {

struct Trace {
    std::string kind;  // "domain", "interface", "folder", "cgroup", "process"
    std::string name;
    std::uint32_t job = 0;
    std::optional<std::uint32_t> restart;  // where the name tells it

    auto operator<=>(const Trace&) const = default;
};

using Runs = std::set<std::pair<std::uint32_t, std::uint32_t>>;  // job, restart

struct Traces {
    std::set<Trace> found;
    std::vector<std::string> not_checked;  // "interfaces: nft: permission denied"
};
Traces gather(const Site& site);

// Those of FOUND that belong to none of LIVE.
std::set<Trace> leftovers(const std::set<Trace>& found, const Runs& live);

// "holon-42.0-vm1", "hb42.0", "ht42.1" (a tap does not tell the restart), "nft inet holon-42.0",
// "42.0" → the trace; nullopt for names that are not Holon's.
std::optional<Trace> trace_of(std::string kind, std::string_view name);

// Directories "…/job_N/holon" below ROOT.
std::set<Trace> cgroup_traces(const std::filesystem::path& root);
// QEMU processes of Holon's domains, by their command lines below PROC.
std::set<Trace> process_traces(const std::filesystem::path& proc);

// `holon doctor --leaks`.
int report_leaks(const Site& site, bool expect_none, bool as_json);

}  // namespace holon::cli
