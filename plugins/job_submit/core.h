// SPDX-License-Identifier: GPL-2.0-or-later
// What happens to a job at submit, without Slurm: the entries of its SPANK environment and its
// numbers go in, the entries and numbers that it is queued with come out. Pure; called under
// slurmctld's locks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/job_submit/checkpoint_rules.h"
#include "plugins/spec/spec.h"

namespace holon::job_submit {

// A job's numbers as the user gave them; 0: not given.
struct Job {
    std::uint32_t min_nodes = 0, max_nodes = 0;
    std::uint32_t tasks = 0, tasks_per_node = 0, cpus_per_task = 0;
    std::uint32_t min_cpus = 0, min_cpus_per_node = 0;
    std::uint64_t node_memory_mb = 0, cpu_memory_mb = 0;
    bool distribution = false;  // --distribution is given
    bool whole_nodes = false;   // --exclusive: the node's CPUs, however many there are
    std::string work_dir;
    std::string partition;  // the default one where the user named none; "": there is none
    std::string user;
    std::uint32_t uid = 0;
    Life life;  // but for the memory, which the options say
};

// What is known of checkpoints, and of what Slurm does with jobs that can go on from one.
struct Slurm {
    std::vector<PartitionGrace> partitions;
    SavingSite saving;
};

// Called under the same locks: from memory.
class Checkpoints {
  public:
    virtual ~Checkpoints() = default;
    // False: nothing is known now, because the controller's daemon does not answer.
    virtual bool known() const = 0;
    // By the job, or by the folder, of its checkpoints; nullopt where there is none.
    virtual std::optional<spec::Known> of_job(std::uint32_t job) const = 0;
    virtual std::optional<spec::Known> in_folder(std::string_view folder) const = 0;
    virtual Slurm slurm() const = 0;
};

struct Queued {
    std::vector<std::string> environment;                 // in place of the one that came
    bool in_vms = false;                                  // a spec is in the environment
    std::uint32_t max_nodes = 0, min_cpus = 0;            // to be set in the job; 0: as they are
    std::uint64_t node_memory_mb = 0, cpu_memory_mb = 0;  // the same
    // --vm-restart: how many tasks, of how many CPUs, in place of what the job has; 0: as they are.
    // min_cpus and cpu_memory_mb go with them.
    std::uint32_t tasks = 0, cpus_per_task = 0;
    // --vm-checkpoint: what is to be set so that the job can be gone on with. open_mode also for a
    // job that goes on from another's checkpoint.
    std::optional<bool> requeue;
    std::optional<OpenMode> open_mode;
    std::optional<Saving::Signal> signal;
    std::vector<std::string> warnings;
};

// CPUs the job will get on each of its nodes where its numbers say so for certain, else 0. Slurm
// hands out at least what was asked for; more only where whole nodes or whole cores are handed out.
std::uint32_t cpus_per_node(const Job& job);

// nullopt: the job has nothing of Holon's and is not to be touched. Throws holon::Error with the
// user's line. SEED becomes the spec's.
std::optional<Queued> decide(const std::vector<std::string>& environment, const Job& job,
                             const spec::Limits& limits, const std::string& seed,
                             const Checkpoints& checkpoints);

}  // namespace holon::job_submit
