// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/core.h"

#include <algorithm>

#include "plugins/os/error.h"
#include "plugins/plan/slots.h"

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

// The checkpoint that TEXT names, if it is this user's; that of another is not admitted to exist.
spec::Known known_for(const std::string& text, const Job& job, const Checkpoints& checkpoints,
                      spec::RestartName& name) {
    if (!job.life.batch)
        throw Error("--vm-restart={}: for sbatch only, because it is a batch script that goes on",
                    text);
    name = spec::restart_name(text, job.work_dir);
    if (!checkpoints.known())
        throw Error(
            "--vm-restart={}: the controller knows of no checkpoints now (is holond --controller "
            "running?); try again later",
            text);
    std::optional<spec::Known> known;
    if (name.job != 0) {
        known = checkpoints.of_job(name.job);
    } else {
        known = checkpoints.in_folder(name.folder);
        // one of them, by its number
        const std::size_t slash = name.folder.rfind('/');
        const std::string last = name.folder.substr(slash + 1);
        if (!known && slash != 0 && !last.empty() && last.size() < 10 &&
            last.find_first_not_of("0123456789") == std::string::npos) {
            known = checkpoints.in_folder(std::string_view(name.folder).substr(0, slash));
            name.number = static_cast<std::uint32_t>(std::stoul(last));
            if (name.number == 0) known.reset();
        }
    }
    if (!known || known->vms.empty() || known->uid != job.uid)
        throw Error(
            "--vm-restart={}: no checkpoint of yours is known by that name; holon "
            "checkpoint list shows them",
            text);
    return *known;
}

// The job asks for its VMs' slots, as one task each, and for nothing else.
void ask_for_slots(Queued& queued, const Job& job, const spec::Spec& spec, std::uint64_t reserve) {
    const plan::Slots slots = plan::make_slots(spec.restart->vms, reserve);
    const auto count = static_cast<std::uint32_t>(slots.vms.size());
    if (job.cpus_per_task > 1 && job.cpus_per_task != slots.cpus)
        throw Error("--vm-restart={}: its VMs need {} CPUs per task; leave out --cpus-per-task={}",
                    spec.restart->job, slots.cpus, job.cpus_per_task);
    if (job.min_nodes > count)
        throw Error("--vm-restart={}: its VMs can be on {} node{} at most; leave out --nodes={}",
                    spec.restart->job, count, count == 1 ? "" : "s", job.min_nodes);
    queued.tasks = count;
    queued.cpus_per_task = slots.cpus;
    queued.min_cpus = count * slots.cpus;
    queued.cpu_memory_mb = slots.cpu_memory_mb();
    if (job.max_nodes == 0 || job.max_nodes > count) queued.max_nodes = count;
}

void keep_life(Queued& queued, spec::Spec& spec, const Job& job, const Checkpoints& checkpoints) {
    Life life = job.life;
    life.script_on_host = spec.script_on_host;
    life.save_before_s = spec.checkpoint_before_s;
    check_before(life);
    if (spec.restart)
        for (const spec::Shape& vm : spec.restart->vms) life.memory_mb += vm.memory_mb;
    else if (spec.vm_memory_mb != 0)
        life.memory_mb = spec.vm_memory_mb * std::max({spec.vm_count, job.min_nodes, 1u});
    else if (job.node_memory_mb != 0)
        life.memory_mb = job.node_memory_mb * std::max(job.min_nodes, 1u);
    const Slurm slurm = checkpoints.slurm();
    // Of those it may start in; a job may name several.
    std::vector<PartitionGrace> partitions;
    for (const PartitionGrace& one : slurm.partitions)
        if (("," + job.partition + ",").find("," + one.name + ",") != std::string::npos)
            partitions.push_back(one);
    SavingSite site = slurm.saving;
    site.nodes = std::max(job.min_nodes, 1u);
    const Saving saving = saving_of(life, partitions, site);
    queued.requeue = saving.requeue;
    queued.open_mode = saving.open_mode;
    queued.signal = saving.signal;
    queued.warnings = saving.warnings;
    spec.warn_signal = saving.warn_signal;
    spec.warn_before_s = saving.warn_before_s;
    spec.warn_signal_is_ours = saving.signal.has_value();
    spec.wished_no_requeue = saving.wished_no_requeue;
    spec.wished_truncate = saving.wished_truncate;
}

// A job that goes on finds what the former wrote, also where it is not to be saved itself:
// holon-run cuts the files back to the checkpoint, so Slurm must not empty them before.
void keep_output(Queued& queued, spec::Spec& spec, const Job& job, const Checkpoints& checkpoints) {
    if (job.life.open_mode != OpenMode::append) queued.open_mode = OpenMode::append;
    spec.wished_truncate = wishes_truncate(job.life, checkpoints.slurm().saving);
}

}  // namespace

std::optional<Queued> decide(const std::vector<std::string>& environment, const Job& asked,
                             const spec::Limits& site, const std::string& seed,
                             const Checkpoints& checkpoints) {
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
    const bool again = given.contains("vm-restart");
    spec::RestartName name;
    spec::Known known;
    if (again) known = known_for(text_of(given, "vm-restart"), asked, checkpoints, name);
    const spec::Limits limits = spec::limits_for(site, asked.partition, asked.user,
                                                 again ? known.image : text_of(given, "vm-image"));
    Job job = asked;
    if (limits.add_memory_reserve && !again) {
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
    request.tasks_per_node = job.tasks_per_node != 0;
    request.distribution = job.distribution;

    // Where the nodes are left open the VMs say how many there may be, and each VM wants a CPU at
    // least.
    const auto count = given.find("vm-cluster");
    bool open = count != given.end() && !count->second.empty() && job.max_nodes == 0;
    if (open) request.cpus_per_node = 0;

    spec::Spec spec = again ? spec::build_restart(given, limits, request, known, name)
                            : spec::build(given, limits, request);
    spec.seed = seed;
    if (again) ask_for_slots(queued, job, spec, limits.memory_reserve_mb);
    if (again) keep_output(queued, spec, job, checkpoints);
    if (spec.checkpoints) keep_life(queued, spec, job, checkpoints);
    if (open) {
        std::uint64_t cpus =
            std::uint64_t{spec.vm_count} * std::max<std::uint32_t>(spec.vm_cpus, 1);
        if (cpus > job.min_cpus) queued.min_cpus = static_cast<std::uint32_t>(cpus);
    }
    if (!again && spec.vm_count != 0 && (job.max_nodes == 0 || job.max_nodes > spec.vm_count))
        queued.max_nodes = spec.vm_count;
    if (!again && spec.mode == spec::Mode::smp)
        if (const auto nodes = spec::most_smp_nodes(given, limits, request);
            job.max_nodes == 0 || job.max_nodes > nodes)
            queued.max_nodes = nodes;
    queued.in_vms = true;
    queued.environment.push_back(std::string(spec::spec_variable) + "=" + spec::to_json(spec));
    return queued;
}

}  // namespace holon::job_submit
