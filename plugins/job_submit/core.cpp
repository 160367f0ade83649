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

namespace {

std::string text_of(const spec::Given& given, const char* name) {
    const auto found = given.find(name);
    return found == given.end() ? "" : found->second;
}

// VMs on the node that has most of them; 0 where that is open.
std::uint64_t vms_per_node(const spec::Given& given, const Job& job) {
    const std::string count = text_of(given, "vm-cluster");
    if (count.empty()) return 1;
    const std::uint64_t vms = std::stoull(count);
    if (job.min_nodes != 0 && job.max_nodes == job.min_nodes)
        return (vms + job.min_nodes - 1) / job.min_nodes;
    return vms == 1 ? 1 : 0;
}

// What the job asks for, and QEMU's own memory on top, so that its VMs get all that was asked for.
void add_reserve(Job& job, const spec::Given& given, const spec::Limits& limits) {
    const std::uint64_t vms = vms_per_node(given, job);
    if (vms == 0 || vms > spec::max_vms) return;  // taken off, as it is not known how often
    const std::uint64_t reserve = vms * limits.memory_reserve_mb;
    if (job.node_memory_mb != 0) {
        job.node_memory_mb += reserve;
    } else if (const std::uint64_t cpus = cpus_per_node(job); job.cpu_memory_mb != 0 && cpus != 0) {
        job.cpu_memory_mb += (reserve + cpus - 1) / cpus;
    }
}

}  // namespace

std::optional<Queued> decide(const std::vector<std::string>& environment, const Job& asked,
                             const spec::Limits& site, const std::string& seed) {
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

    for (const auto& [name, text] : given)
        if (auto wrong = spec::check_option(name, text)) throw Error(*wrong);
    const spec::Limits limits =
        spec::limits_for(site, asked.partition, asked.user, text_of(given, "vm-image"));
    Job job = asked;
    if (limits.add_memory_reserve) {
        add_reserve(job, given, limits);
        if (job.node_memory_mb != asked.node_memory_mb) queued.node_memory_mb = job.node_memory_mb;
        if (job.cpu_memory_mb != asked.cpu_memory_mb) queued.cpu_memory_mb = job.cpu_memory_mb;
    }

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
    if (const std::string most = text_of(given, "vm-smp"); !most.empty())
        if (const auto nodes = static_cast<std::uint32_t>(std::stoul(most));
            job.max_nodes == 0 || job.max_nodes > nodes)
            queued.max_nodes = nodes;
    queued.in_vms = true;
    queued.environment.push_back(std::string(spec::spec_variable) + "=" + spec::to_json(spec));
    return queued;
}

}  // namespace holon::job_submit
