// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/core.h"

#include <algorithm>

#include "plugins/os/error.h"

namespace holon::job_submit {

std::uint32_t cpus_per_node(const Job& job) {
    if (job.whole_nodes) return 0;
    std::uint64_t each = std::max<std::uint32_t>(job.cpus_per_task, 1);
    std::uint64_t cpus = 0;
    bool fixed = job.max_nodes != 0 && job.max_nodes == job.min_nodes;
    // sbatch and salloc leave the task count open: one per node then, and one in all without nodes
    std::uint64_t tasks = job.tasks != 0 ? job.tasks : std::max<std::uint32_t>(job.min_nodes, 1);
    if (job.tasks_per_node != 0)
        cpus = job.tasks_per_node * each;
    else if (fixed && tasks <= job.min_nodes)
        cpus = each;
    else if ((fixed && job.min_nodes == 1) || tasks == 1)
        cpus = tasks * each;
    else
        return 0;
    cpus = std::max<std::uint64_t>(cpus, job.min_cpus_per_node);
    // a larger total was asked for: somewhere there will be more
    if (fixed && job.min_cpus > cpus * job.min_nodes) return 0;
    if (!fixed && job.min_cpus > std::max(cpus, tasks * each)) return 0;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(cpus, UINT32_MAX));
}

std::optional<Queued> decide(const std::vector<std::string>& environment, const Job& job,
                             const spec::Limits& limits, const std::string& seed) {
    Queued queued;
    spec::Given given;
    for (const auto& entry : environment) {
        if (!spec::is_holon_entry(entry)) {
            queued.environment.push_back(entry);
        } else if (!spec::read_spank_entry(entry, given)) {
            throw Error(
                "{0}: only the controller sets it; take SLURM_SPANK_{0} out of the "
                "environment",
                spec::spec_variable);
        }
    }
    if (given.empty()) return std::nullopt;
    if (!spec::wants_vms(given) && given.size() == 1 && given.contains("no-vm"))
        return queued;  // true of every job without VMs

    spec::Request request;
    request.min_nodes = job.min_nodes;
    request.max_nodes = job.max_nodes;
    request.cpus_per_node = cpus_per_node(job);
    request.node_memory_mb = job.node_memory_mb;
    request.cpu_memory_mb = job.cpu_memory_mb;
    request.work_dir = job.work_dir;

    // Where the nodes are left open the VMs say how many there may be, and each VM wants a CPU at
    // least.
    const auto count = given.find("vm-cluster");
    bool open = count != given.end() && !count->second.empty() && job.max_nodes == 0;
    if (open) request.cpus_per_node = 0;

    spec::Spec spec = spec::build(given, limits, request);
    spec.seed = seed;
    if (open) {
        std::uint64_t cpus =
            std::uint64_t{spec.vm_count} * std::max<std::uint32_t>(spec.vm_cpus, 1);
        if (cpus > job.min_cpus) queued.min_cpus = static_cast<std::uint32_t>(cpus);
    }
    if (spec.vm_count != 0 && (job.max_nodes == 0 || job.max_nodes > spec.vm_count))
        queued.max_nodes = spec.vm_count;
    queued.in_vms = true;
    queued.environment.push_back(std::string(spec::spec_variable) + "=" + spec::to_json(spec));
    return queued;
}

}  // namespace holon::job_submit
