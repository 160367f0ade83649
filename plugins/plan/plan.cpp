// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/plan/plan.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "plugins/os/error.h"
#include "plugins/plan/slots.h"

namespace holon::plan {
namespace {

constexpr std::uint64_t min_vm_memory_mb = 64;

std::uint32_t octet(std::string_view text, std::string_view whole) {
    std::uint32_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (text.empty() || text.size() > 3 || error != std::errc{} || stop != end || value > 255)
        throw Error("subnet '{}': not an IPv4 network such as 10.77.0.0/16", whole.substr(0, 64));
    return value;
}

std::string dotted(std::uint32_t address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255,
                       address & 255);
}

void check_allocation(const std::vector<NodeShare>& allocation, Job job) {
    if (job.id == 0 || job.id >= max_job_id)
        throw Error("job {}: not a job id of Slurm (1 to {})", job.id, max_job_id - 1);
    if (allocation.empty()) throw Error("job {}: no node is allocated", job.id);
    std::set<std::string_view> seen;
    for (const NodeShare& share : allocation) {
        if (share.cpus == 0)
            throw Error("job {}: no CPU is allocated on node {}", job.id, share.name);
        if (!seen.insert(share.name).second)
            throw Error("job {}: node {} is in the allocation twice", job.id, share.name);
    }
}

// How many VMs run on each node: COUNT dealt by largest remainder in proportion to CPUs, but at
// least one and at most ROOM[i] on a node. The remainders are compared as integers, so no node
// rounds differently.
std::vector<std::uint32_t> distribute(std::uint32_t count, const std::vector<NodeShare>& allocation,
                                      const std::vector<std::uint32_t>& room) {
    std::int64_t cpus = 0, sum = 0;
    for (const NodeShare& share : allocation) cpus += share.cpus;
    std::vector<std::uint32_t> vms(allocation.size());
    for (std::size_t i = 0; i < vms.size(); ++i) {
        const auto quota = static_cast<std::int64_t>(count) * allocation[i].cpus / cpus;
        vms[i] = static_cast<std::uint32_t>(std::clamp<std::int64_t>(quota, 1, room[i]));
        sum += vms[i];
    }
    const auto owed = [&](std::size_t i) {  // in units of 1/cpus of a VM
        return static_cast<std::int64_t>(count) * allocation[i].cpus - cpus * vms[i];
    };
    const auto node_where = [&](auto eligible, auto better) {
        std::size_t best = vms.size();
        for (std::size_t i = 0; i < vms.size(); ++i)
            if (eligible(i) && (best == vms.size() || better(i, best))) best = i;
        return best;
    };
    for (; sum < count; ++sum)
        ++vms[node_where([&](std::size_t i) { return vms[i] < room[i]; },
                         [&](std::size_t i, std::size_t best) { return owed(i) > owed(best); })];
    for (; sum > count; --sum)
        --vms[node_where([&](std::size_t i) { return vms[i] > 1; },
                         [&](std::size_t i, std::size_t best) { return owed(i) <= owed(best); })];
    return vms;
}

std::vector<std::uint32_t> vms_per_node(const spec::Spec& spec,
                                        const std::vector<NodeShare>& allocation) {
    std::vector<std::uint32_t> room;
    std::uint64_t total = 0;
    for (const NodeShare& share : allocation) {
        if (spec.vm_cpus > share.cpus)
            throw Error(
                "--vm-cpus={}: node {} gives this job only {} CPU{}; ask for fewer, or for more "
                "CPUs per node",
                spec.vm_cpus, share.name, share.cpus, share.cpus == 1 ? "" : "s");
        room.push_back(spec.vm_cpus == 0 ? share.cpus : share.cpus / spec.vm_cpus);
        total += room.back();
    }
    const std::uint32_t count =
        spec.vm_count == 0 ? static_cast<std::uint32_t>(allocation.size()) : spec.vm_count;
    if (count > spec::max_vms)
        throw Error("--vm-cluster: {} VMs; a job can have at most {}", count, spec::max_vms);
    if (count < allocation.size())
        throw Error(
            "--vm-cluster={}: fewer VMs than the {} allocated nodes; give --vm-cluster={} or more, "
            "or fewer nodes",
            count, allocation.size(), allocation.size());
    if (count > total)
        throw Error(
            "--vm-cluster={}: the allocated CPUs are enough for {} VMs{}; ask for fewer VMs or for "
            "more CPUs",
            count, total, spec.vm_cpus > 1 ? fmt::format(" of {} CPUs", spec.vm_cpus) : "");
    return distribute(count, allocation, room);
}

// MiB allocated on this node; 0 where nobody knows.
std::uint64_t node_memory(const spec::Spec& spec, const NodeShare& share) {
    if (share.memory_mb != 0) return share.memory_mb;
    if (spec.node_memory_mb != 0) return spec.node_memory_mb;
    return spec.cpu_memory_mb * share.cpus;
}

// CPUs and memory of the COUNT VMs of one node.
std::vector<Vm> machines_of(const spec::Spec& spec, const NodeShare& share, std::uint32_t count,
                            const Sizing& sizing) {
    std::vector<Vm> vms(count);
    std::uint32_t cpus = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        vms[i].node = share.name;
        vms[i].cpus = spec.vm_cpus != 0 ? spec.vm_cpus
                                        : share.cpus / count + (i < share.cpus % count ? 1 : 0);
        cpus += vms[i].cpus;
    }
    const std::uint64_t memory = node_memory(spec, share);
    const std::uint64_t reserve = sizing.reserve_mb * count;
    if (spec.vm_memory_mb != 0 && memory != 0 && spec.vm_memory_mb * count + reserve > memory)
        throw Error(
            "--vm-mem={}M: {} VM{} of it, with {} MiB kept back for each, need {} MiB on node {}, "
            "which gives this job {} MiB; ask for less, or for more with --mem",
            spec.vm_memory_mb, count, count == 1 ? "" : "s", sizing.reserve_mb,
            spec.vm_memory_mb * count + reserve, share.name, memory);
    for (Vm& vm : vms) {
        if (spec.vm_memory_mb != 0)
            vm.memory_mb = spec.vm_memory_mb;
        else if (memory != 0)
            vm.memory_mb = memory > reserve ? (memory - reserve) * vm.cpus / cpus : 0;
        else
            vm.memory_mb = sizing.default_memory_mb;
        if (vm.memory_mb < min_vm_memory_mb)
            throw Error(
                "--vm-cluster: {} MiB on node {} leave {} MiB for a VM after {} MiB are kept back "
                "for each of {}; a VM needs {} MiB: ask for more with --mem",
                memory, share.name, vm.memory_mb, sizing.reserve_mb, count, min_vm_memory_mb);
    }
    return vms;
}

// For each VM of a checkpoint the index of its node. One slot at least goes to each node.
std::vector<std::uint32_t> nodes_again(const spec::Restart& restart,
                                       const std::vector<NodeShare>& allocation) {
    const Slots slots = make_slots(restart.vms, 0);
    std::vector<std::uint32_t> at(restart.vms.size()), cpus;
    std::size_t next = 0;
    bool fits = slots.vms.size() >= allocation.size();
    for (std::uint32_t node = 0; node < allocation.size(); ++node) {
        cpus.push_back(allocation[node].cpus);
        const std::size_t behind = allocation.size() - node - 1;
        const std::size_t end = std::min(next + cpus.back() / slots.cpus,
                                         slots.vms.size() - std::min(behind, slots.vms.size()));
        fits = fits && end > next;
        for (; next < end; ++next)
            for (const std::uint32_t index : slots.vms[next]) at[index] = node;
    }
    if (fits && next == slots.vms.size()) return at;
    at = pack_vms(restart.vms, cpus);
    if (!at.empty()) return at;
    std::string given;
    for (const NodeShare& share : allocation)
        given += fmt::format("{}{}: {}", given.empty() ? "" : ", ", share.name, share.cpus);
    throw Error(
        "the VMs of job {}'s checkpoint do not fit the CPUs that this job has ({}): they are in {} "
        "slots of {} CPUs; ask for the nodes with --vm-restart={}",
        restart.job, given, slots.vms.size(), slots.cpus, restart.job);
}

// The VMs of a checkpoint, without names and addresses, by index.
std::vector<Vm> machines_again(const spec::Restart& restart,
                               const std::vector<NodeShare>& allocation, const Sizing& sizing) {
    const std::vector<std::uint32_t> at = nodes_again(restart, allocation);
    std::vector<Vm> vms(restart.vms.size());
    std::vector<std::uint64_t> needed(allocation.size());
    for (std::size_t i = 0; i < vms.size(); ++i) {
        vms[i].node = allocation[at[i]].name;
        vms[i].cpus = restart.vms[i].cpus;
        vms[i].memory_mb = restart.vms[i].memory_mb;
        needed[at[i]] += vms[i].memory_mb + sizing.reserve_mb;
    }
    for (std::size_t node = 0; node < allocation.size(); ++node)
        if (allocation[node].memory_mb != 0 && needed[node] > allocation[node].memory_mb)
            throw Error(
                "the VMs of job {}'s checkpoint that are for node {} need {} MiB there, with {} "
                "MiB "
                "kept back for each, and it gives this job {} MiB",
                restart.job, allocation[node].name, needed[node], sizing.reserve_mb,
                allocation[node].memory_mb);
    return vms;
}

}  // namespace

Subnet parse_subnet(std::string_view text) {
    const std::size_t slash = text.find('/');
    std::string_view rest = text.substr(0, slash);
    Subnet subnet;
    for (int part = 0; part < 4; ++part) {
        const std::size_t dot = part < 3 ? rest.find('.') : rest.size();
        if (dot == std::string_view::npos) octet("", text);
        subnet.network = subnet.network << 8 | octet(rest.substr(0, dot), text);
        rest = rest.substr(std::min(dot + 1, rest.size()));
    }
    subnet.prefix_length =
        slash == std::string_view::npos ? 0 : octet(text.substr(slash + 1), text);
    if (subnet.prefix_length < 8 || subnet.prefix_length > 30)
        throw Error("subnet '{}': the prefix length must be from /8 to /30", text.substr(0, 64));
    if ((subnet.network & ((1u << (32 - subnet.prefix_length)) - 1)) != 0)
        throw Error("subnet '{}': bits are set behind the prefix; did you mean {}/{}?",
                    text.substr(0, 64),
                    dotted(subnet.network & ~((1u << (32 - subnet.prefix_length)) - 1)),
                    subnet.prefix_length);
    return subnet;
}

std::vector<Vm> Plan::on_node(std::string_view node) const {
    std::vector<Vm> result;
    for (const Vm& vm : vms)
        if (vm.node == node) result.push_back(vm);
    return result;
}

Plan make(const spec::Spec& spec, const std::vector<NodeShare>& allocation, Job job,
          const Sizing& sizing) {
    check_allocation(allocation, job);
    const Subnet subnet = parse_subnet(sizing.subnet);

    Plan plan;
    plan.job = job;
    plan.vni = job.id & 0xffffff;
    plan.udp_port_offset = job.id >> 24;
    plan.prefix_length = subnet.prefix_length;
    if (spec.restart) {
        plan.vms = machines_again(*spec.restart, allocation, sizing);
    } else {
        const std::vector<std::uint32_t> counts = vms_per_node(spec, allocation);
        for (std::size_t i = 0; i < allocation.size(); ++i)
            for (Vm& vm : machines_of(spec, allocation[i], counts[i], sizing))
                plan.vms.push_back(std::move(vm));
    }

    if (spec.network == spec::Network::private_ && plan.vms.size() > subnet.hosts())
        throw Error(
            "--vm-cluster: {} VMs do not fit the network {} of this site, which has {} addresses",
            plan.vms.size(), sizing.subnet, subnet.hosts());
    for (std::uint32_t index = 0; Vm & vm : plan.vms) {
        vm.index = index;
        vm.name = fmt::format("vm{}", index);
        vm.mac = fmt::format("02:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", job.id >> 16 & 255,
                             job.id >> 8 & 255, job.id & 255, index >> 8 & 255, index & 255);
        if (spec.network == spec::Network::private_)
            vm.address = dotted(subnet.network + 1 + index);
        ++index;
    }
    return plan;
}

const Vm& vm_for_task(const Plan& plan, std::string_view node, std::uint32_t local_task,
                      std::uint32_t local_tasks) {
    std::vector<const Vm*> there;
    for (const Vm& vm : plan.vms)
        if (vm.node == node) there.push_back(&vm);
    const std::uint64_t count = there.size();
    if (count == 0) throw Error("job {}: node {} has no VM of this job", plan.job.id, node);
    if (local_task >= local_tasks)
        throw Error("job {}: task {} of {} on node {}: no such task", plan.job.id, local_task,
                    local_tasks, node);
    // Fewer tasks than VMs: one each in the first ones.
    const std::uint64_t which = local_tasks < count ? local_task : local_task * count / local_tasks;
    return *there[which];
}

const Vm& home(const Plan& plan) {
    if (plan.vms.empty()) throw Error("job {}: has no VM", plan.job.id);
    return *std::max_element(plan.vms.begin(), plan.vms.end(),
                             [](const Vm& a, const Vm& b) { return a.cpus < b.cpus; });
}

}  // namespace holon::plan
