// SPDX-License-Identifier: GPL-2.0-or-later
// What happens to a job at submit, without Slurm: the entries of its SPANK environment and its
// numbers go in, the entries and numbers that it is queued with come out. Pure; called under
// slurmctld's locks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/spec/spec.h"

namespace holon::job_submit {

// A job's numbers as the user gave them; 0: not given.
struct Job {
    std::uint32_t min_nodes = 0, max_nodes = 0;
    std::uint32_t tasks = 0, tasks_per_node = 0, cpus_per_task = 0;
    std::uint32_t min_cpus = 0, min_cpus_per_node = 0;
    std::uint64_t node_memory_mb = 0, cpu_memory_mb = 0;
    bool whole_nodes = false;  // --exclusive: the node's CPUs, however many there are
    std::string work_dir;
    std::string partition;  // the default one where the user named none; "": there is none
    std::string user;
};

struct Queued {
    std::vector<std::string> environment;                 // in place of the one that came
    bool in_vms = false;                                  // a spec is in the environment
    std::uint32_t max_nodes = 0, min_cpus = 0;            // to be set in the job; 0: as they are
    std::uint64_t node_memory_mb = 0, cpu_memory_mb = 0;  // the same
};

// CPUs the job will get on each of its nodes where its numbers say so for certain, else 0. Slurm
// hands out at least what was asked for; more only where whole nodes or whole cores are handed out.
std::uint32_t cpus_per_node(const Job& job);

// nullopt: the job has nothing of Holon's and is not to be touched. Throws holon::Error with the
// user's line. SEED becomes the spec's.
std::optional<Queued> decide(const std::vector<std::string>& environment, const Job& job,
                             const spec::Limits& limits, const std::string& seed);

}  // namespace holon::job_submit
