// SPDX-License-Identifier: GPL-2.0-or-later
// Whom the commands ask: Slurm for the running jobs and their nodes, holond on each node for the
// VMs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/os/slurm.h"

namespace holon::cli {

struct RunningJob {
    std::uint32_t id = 0;
    std::vector<std::string> nodes;  // empty while Slurm has not placed it
};

// The output of squeue -o "%A %N".
std::vector<RunningJob> parse_squeue(std::string_view text);
// The asker's running jobs (root: everybody's), or JOB alone, written as Slurm does ("42", "42_3").
std::vector<RunningJob> running_jobs(const std::optional<std::string>& job);

using os::slurm_environment;

// The name Slurm knows this host by, as far as the host itself can tell: without the domain.
std::string host_name();

struct Answer {
    std::string node;
    nlohmann::json reply;  // null where there is an error
    std::string error;
    std::int64_t asked_at_ns = 0, answered_at_ns = 0;  // by our clock
};
// Sends REQUEST to holond on each of NODES at once: over its socket on this host, over TCP
// elsewhere.
std::vector<Answer> ask(const std::vector<std::string>& nodes, std::uint16_t port,
                        const nlohmann::json& request);

// The nodes of JOBS, each once, in the order of first appearance.
std::vector<std::string> nodes_of(const std::vector<RunningJob>& jobs);

}  // namespace holon::cli
