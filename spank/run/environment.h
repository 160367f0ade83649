// SPDX-License-Identifier: GPL-2.0-or-later
// What of the host's task environment goes into the VM. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/os/process.h"

namespace holon::run {

// The program's environment in the VM: ENVIRONMENT less what means something on the host only
// (Holon's and SPANK's own entries, limits, sockets and sessions of the host, PMI connections to
// slurmstepd), with the user's identity, with TMPDIR and
// what mpirun needs where the user did not set them, and with HOLON's variables on top.
std::vector<std::string> guest_environment(const std::vector<std::string>& environment,
                                           const os::Identity& user,
                                           const std::map<std::string, std::string>& holon);

// ENVIRONMENT of a task as it would be had Slurm given the job one node of CPUS CPUs, called HOST:
// what SLURM_* say of nodes, of CPUs on them and of tasks on them. Bindings to the host's CPUs are
// left out.
std::vector<std::string> as_on_one_node(const std::vector<std::string>& environment,
                                        const std::string& host, std::uint32_t cpus);

// Soft and hard limit; nullopt: unlimited.
using Limit = std::pair<std::optional<std::uint64_t>, std::optional<std::uint64_t>>;

// The limits that Slurm sets for a task: SLURM_RLIMIT_<NAME>=[U]<number> is the soft limit that
// travelled with the job (22.05 leaves it to us; later releases have applied and removed it).
// CURRENT are this process's own. Names are those of docs/channel-protocol.md: "nofile", "stack", …
std::map<std::string, Limit> task_limits(const std::vector<std::string>& environment,
                                         const std::map<std::string, Limit>& current);
std::map<std::string, Limit> current_limits();

}  // namespace holon::run
