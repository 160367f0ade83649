// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>

#include "plugins/os/error.h"
#include "plugins/spec/rules.h"
#include "plugins/spec/spec.h"

namespace holon::spec {
namespace {

const std::string* find(const Given& given, const char* name) {
    auto found = given.find(name);
    return found == given.end() ? nullptr : &found->second;
}

Mode mode_of(const Given& given, const Limits& limits) {
    const rules::ModeOption* chosen = nullptr;
    for (const auto& mode : rules::modes) {
        if (!given.contains(std::string(mode.option))) continue;
        if (chosen != nullptr)
            throw Error("--{} and --{}: a job has one of them; give one", chosen->option,
                        mode.option);
        chosen = &mode;
    }
    if (given.contains("vm-restart"))
        throw Error("--vm-restart: the controller has to look it up");  // build_restart()
    if (chosen == nullptr)
        throw Error("--{}: for jobs in VMs only; add --vm-cluster",
                    given.empty() ? "vm-image" : given.begin()->first);
    if (chosen->mode == Mode::smp) {
        if (!limits.allow_smp)
            throw Error(
                "--vm-smp: not offered here (limits.allow_smp in holon.yaml); use --vm-cluster");
        for (const char* sized : {"vm-cpus", "vm-mem"})
            if (given.contains(sized))
                throw Error(
                    "--{}: the VMs of --vm-smp are as large as the job's share of each node; "
                    "leave it out",
                    sized);
    }
    return chosen->mode;
}

// TEXT, of --OPTION, as an absolute path where it begins with a dot.
std::string absolute(const char* option, const std::string& text, const std::string& work_dir) {
    if (!text.starts_with("./") && !text.starts_with("../")) return text;
    std::string relative = text.starts_with("./") ? text.substr(2) : text;
    std::string path = work_dir;
    if (!path.empty() && !path.ends_with('/')) path += '/';
    path += relative;
    if (work_dir.empty() || !rules::is_clean_path(path))
        throw Error(
            "--{}={}: the directory it is relative to has no plain path; give an absolute path",
            option, text);
    return path;
}

// What --vm-checkpoint and its kin say, in whatever kind of job, and the boot's time limit.
void add_life(Spec& spec, const Given& given, const Limits& limits, const Request& request) {
    if (const auto* text = find(given, "vm-boot-timeout")) {
        spec.boot_timeout_s = parse_time_s(*text);
        if (limits.max_boot_timeout_s != 0 && spec.boot_timeout_s > limits.max_boot_timeout_s)
            throw Error("--vm-boot-timeout={}: this site allows at most {} seconds", *text,
                        limits.max_boot_timeout_s);
    }
    if (const auto* text = find(given, "vm-checkpoint")) {
        spec.checkpoints = true;
        if (!text->empty()) spec.checkpoint_every_s = parse_time_s(*text);
    }
    if (const auto* text = find(given, "vm-checkpoint-before")) {
        spec.checkpoints = true;
        spec.checkpoint_before_s = parse_time_s(*text);
    }
    if (const auto* text = find(given, "vm-checkpoint-dir"))
        spec.checkpoint_dir = absolute("vm-checkpoint-dir", *text, request.work_dir);
    if (rules::is_clean_path(request.work_dir)) spec.submit_dir = request.work_dir;
}

// The catalogue's entry; nullptr for files and where the catalogue is not known here.
const Limits::Image* catalogued(const Spec& spec, const Limits& limits, bool given) {
    if (spec.image.starts_with('/')) {
        if (!limits.allow_user_files)
            throw Error(
                "--vm-image={}: this site boots images of its catalogue only; give a name "
                "(see holon image list)",
                spec.image);
        return nullptr;
    }
    if (limits.images.empty()) return nullptr;
    std::string known;
    for (const auto& image : limits.images) {
        if (image.name == spec.image) return &image;
        known += (known.empty() ? "" : ", ") + image.name;
    }
    if (given)
        throw Error("--vm-image={}: no such image; images known here: {}", spec.image, known);
    throw Error("--vm-image: the site's default '{}' is missing; images known here: {}", spec.image,
                known);
}

// A virtual SMP is one node to its programs: what deals tasks to nodes means nothing there.
void check_smp(const Given& given, const Limits& limits, const Request& request) {
    if (const auto* network = find(given, "vm-network"); network != nullptr && *network == "none")
        throw Error(
            "--vm-network=none: the VMs of --vm-smp need their network to be one machine; leave it "
            "out");
    if (request.tasks_per_node)
        throw Error(
            "--ntasks-per-node: --vm-smp gives one machine of all nodes; leave it out, and say how "
            "many CPUs with -n");
    if (request.distribution)
        throw Error(
            "--distribution: --vm-smp gives one machine, and all tasks start on it; leave it out");
    most_smp_nodes(given, limits, request);
}

void check_count(const Spec& spec, const Limits& limits, const Request& request) {
    std::uint32_t count = spec.vm_count != 0 ? spec.vm_count : request.min_nodes;
    if (spec.vm_count != 0 && spec.vm_count < request.min_nodes)
        throw Error(
            "--vm-cluster={0}: {0} VM{2} cannot cover {1} nodes; give at least {1}, or "
            "nothing for one per node",
            spec.vm_count, request.min_nodes, spec.vm_count == 1 ? "" : "s");
    std::uint32_t most = limits.max_vms != 0 ? std::min(limits.max_vms, max_vms) : max_vms;
    if (count > most)
        throw Error("--vm-{}={}: this site allows a job at most {} VMs",
                    spec.mode == Mode::smp ? "smp" : "cluster", count, most);
}

// At least this many VMs share some node, however they are dealt out; 0 where the node count is
// open.
std::uint64_t crowded(const Spec& spec, const Request& request) {
    if (spec.vm_count == 0) return 1;
    if (request.max_nodes == 0) return 1;
    return (spec.vm_count + std::uint64_t{request.max_nodes} - 1) / request.max_nodes;
}

void check_cpus(const Spec& spec, const Limits& limits, const Request& request) {
    if (spec.vm_cpus != 0 && limits.max_vm_cpus != 0 && spec.vm_cpus > limits.max_vm_cpus)
        throw Error("--vm-cpus={}: this site allows a VM at most {} CPUs", spec.vm_cpus,
                    limits.max_vm_cpus);
    if (request.cpus_per_node == 0) return;
    std::uint64_t vms = crowded(spec, request);
    std::uint64_t needed = vms * std::max<std::uint64_t>(spec.vm_cpus, 1);
    if (needed <= request.cpus_per_node) return;
    if (spec.vm_cpus == 0)
        throw Error(
            "--vm-cluster={}: {} VMs on a node, but the job has {} CPUs there; give fewer "
            "VMs or ask for more nodes or CPUs",
            spec.vm_count, vms, request.cpus_per_node);
    if (vms == 1)
        throw Error(
            "--vm-cpus={0}: the job has {1} CPU{2} per node; give at most {1}, or ask for more "
            "with --ntasks-per-node or --cpus-per-task",
            spec.vm_cpus, request.cpus_per_node, request.cpus_per_node == 1 ? "" : "s");
    throw Error(
        "--vm-cpus={}: {} VMs on a node need {} CPUs, the job has {} there; give fewer VMs "
        "or CPUs",
        spec.vm_cpus, vms, needed, request.cpus_per_node);
}

void check_memory(const Spec& spec, const Limits& limits, const Request& request,
                  const Limits::Image* image) {
    std::uint64_t minimum = image != nullptr ? image->min_memory_mb : 0;
    if (spec.vm_memory_mb != 0 && limits.max_vm_memory_mb != 0 &&
        spec.vm_memory_mb > limits.max_vm_memory_mb)
        throw Error("--vm-mem={}M: this site allows a VM at most {}M", spec.vm_memory_mb,
                    limits.max_vm_memory_mb);
    if (spec.vm_memory_mb != 0 && spec.vm_memory_mb < minimum)
        throw Error("--vm-mem={}M: image '{}' needs at least {}M", spec.vm_memory_mb, spec.image,
                    minimum);
    std::uint64_t node = request.node_memory_mb;
    if (node == 0 && request.cpu_memory_mb != 0 && request.cpus_per_node != 0 &&
        request.cpu_memory_mb <= rules::most_memory_mb)
        node = request.cpu_memory_mb * request.cpus_per_node;
    if (node == 0) return;
    const char* option = request.node_memory_mb != 0 ? "mem" : "mem-per-cpu";
    std::uint64_t given = request.node_memory_mb != 0 ? node : request.cpu_memory_mb;
    std::uint64_t vms = crowded(spec, request);
    std::uint64_t each =
        spec.vm_memory_mb != 0 ? spec.vm_memory_mb : std::max(minimum, rules::least_memory_mb);
    std::uint64_t needed = vms * (each + limits.memory_reserve_mb);
    if (needed <= node) return;
    std::string what = spec.vm_memory_mb != 0 ? fmt::format("--vm-mem={}M", each)
                                              : fmt::format("{}M for image '{}'", each, spec.image);
    std::string reserve = limits.memory_reserve_mb != 0
                              ? fmt::format(" and {}M reserve", limits.memory_reserve_mb)
                              : "";
    std::string times = vms > 1 ? fmt::format(", for {} VMs on a node,", vms) : "";
    throw Error("--{}={}M: {}{}{} need {}M; give --mem={}M or more", option, given, what, reserve,
                times, needed, needed);
}

bool names(std::string_view list, std::string_view one) {
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t end = std::min(list.find(',', at), list.size());
        if (list.substr(at, end - at) == one) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

Limits limits_for(const Limits& limits, std::string_view partition, std::string_view user,
                  std::string_view image) {
    Limits own = limits;
    own.rules.clear();
    if (image.empty()) image = limits.default_image;
    std::string refused;
    for (const Limits::Rule& rule : limits.rules) {
        if (!rule.partition.empty() && !names(partition, rule.partition)) continue;
        if (!rule.user.empty() && rule.user != user) continue;
        if (!rule.image.empty() && rule.image != image) continue;
        refused.clear();
        if (!rule.allow) {
            if (!rule.user.empty()) refused += fmt::format(" of user {}", rule.user);
            if (!rule.image.empty()) refused += fmt::format(" with image '{}'", rule.image);
            if (!rule.partition.empty()) refused += fmt::format(" in partition {}", rule.partition);
            if (refused.empty()) refused = " of anyone";
        }
        own.max_vms = rule.max_vms.value_or(own.max_vms);
        own.max_vm_cpus = rule.max_vm_cpus.value_or(own.max_vm_cpus);
        own.max_vm_memory_mb = rule.max_vm_memory_mb.value_or(own.max_vm_memory_mb);
        own.max_boot_timeout_s = rule.max_boot_timeout_s.value_or(own.max_boot_timeout_s);
        own.allow_smp = rule.allow_smp.value_or(own.allow_smp);
        own.allow_user_files = rule.allow_user_files.value_or(own.allow_user_files);
    }
    if (!refused.empty())
        throw Error("--vm-*: this site takes no VM jobs{}; ask for another one, or none", refused);
    return own;
}

std::uint32_t most_smp_nodes(const Given& given, const Limits& limits, const Request& request) {
    const auto most =
        limits.max_smp_nodes != 0 ? std::min(limits.max_smp_nodes, max_smp_nodes) : max_smp_nodes;
    const auto* text = find(given, "vm-smp");
    if (text == nullptr || text->empty()) {
        if (request.min_nodes > most)
            throw Error(
                "--vm-smp: the job wants at least {} nodes, and a virtual SMP may have {} here; "
                "give as many or fewer with -N",
                request.min_nodes, most);
        return most;
    }
    const auto asked = static_cast<std::uint32_t>(*rules::whole_number(*text, 1, max_vms));
    if (asked > most) throw Error("--vm-smp={}: a virtual SMP may have {} nodes here", asked, most);
    if (asked < request.min_nodes)
        throw Error("--vm-smp={}: the job wants at least {} nodes; give as many or fewer with -N",
                    asked, request.min_nodes);
    return asked;
}

Spec build(const Given& given, const Limits& limits, const Request& request) {
    for (const auto& [name, text] : given)
        if (auto wrong = check_option(name, text)) throw Error(*wrong);

    Spec spec;
    spec.mode = mode_of(given, limits);
    if (const auto* text = find(given, "vm-cluster"); text != nullptr && !text->empty())
        spec.vm_count = static_cast<std::uint32_t>(*rules::whole_number(*text, 1, max_vms));
    if (const auto* text = find(given, "vm-cpus"))
        spec.vm_cpus = static_cast<std::uint32_t>(*rules::whole_number(*text, 1, max_vm_cpus));
    if (const auto* text = find(given, "vm-mem")) spec.vm_memory_mb = parse_memory_mb(*text);
    if (const auto* text = find(given, "vm-network")) spec.network = *rules::network(*text);
    add_life(spec, given, limits, request);
    spec.script_on_host = given.contains("no-vm");

    const auto* image = find(given, "vm-image");
    spec.image =
        image != nullptr ? absolute("vm-image", *image, request.work_dir) : limits.default_image;
    spec.node_memory_mb = request.node_memory_mb;
    spec.cpu_memory_mb = request.cpu_memory_mb;

    if (spec.mode == Mode::smp) check_smp(given, limits, request);
    check_count(spec, limits, request);
    check_cpus(spec, limits, request);
    check_memory(spec, limits, request, catalogued(spec, limits, image != nullptr));
    return spec;
}

RestartName restart_name(std::string_view text, const std::string& relative_to) {
    RestartName name;
    if (const auto job = rules::whole_number(text, 1, rules::most_job_id)) {
        name.job = static_cast<std::uint32_t>(*job);
        return name;
    }
    name.folder = absolute("vm-restart", std::string(text), relative_to);
    while (name.folder.size() > 1 && name.folder.ends_with('/')) name.folder.pop_back();
    return name;
}

Spec build_restart(const Given& given, const Limits& limits, const Request& request,
                   const Known& known, const RestartName& name) {
    for (const auto& [option, text] : given) {
        if (auto wrong = check_option(option, text)) throw Error(*wrong);
        if (option != "vm-restart" && option != "vm-boot-timeout" && option != "vm-checkpoint" &&
            option != "vm-checkpoint-before" && option != "vm-checkpoint-dir")
            throw Error(
                "--{}: a job that goes on from a checkpoint has its VMs as they were; "
                "leave it out",
                option);
    }
    Spec spec;
    spec.mode = known.mode;
    spec.network = known.network;
    spec.image = known.image;
    spec.vm_count = static_cast<std::uint32_t>(known.vms.size());
    if (limits.max_vms != 0 && spec.vm_count > limits.max_vms)
        throw Error("--vm-restart={}: it has {} VMs; this site allows a job at most {} now",
                    known.job, spec.vm_count, limits.max_vms);
    add_life(spec, given, limits, request);
    spec.restart = Restart{known.job, name.number, known.folder, known.vms};
    return spec;
}

}  // namespace holon::spec
