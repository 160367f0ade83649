// SPDX-License-Identifier: GPL-2.0-or-later
// The plan: which VM runs on which node, with how many vCPUs, how much memory, which name, MAC and
// address.
//
// A pure function of (spec, allocation, job): every node of a job computes the same plan by itself,
// so nothing has to be agreed over the network. A started job's plan is stored by holond and never
// recomputed; where a VM has moved is beside it (plugins/node/migration.h). Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/spec/spec.h"

namespace holon::plan {

// "n[1-3,07],login" → n1 n2 n3 n07 login, in Slurm's order; throws on a malformed list or one of
// over 65,536 names.
std::vector<std::string> expand_hostlist(std::string_view list);
// The inverse, as short as Slurm's: n1 n2 n3 → "n[1-3]".
std::string compress_hostlist(const std::vector<std::string>& names);
// SLURM_JOB_CPUS_PER_NODE: "2(x3),1" → 2 2 2 1.
std::vector<std::uint32_t> expand_cpus_per_node(std::string_view text);

inline constexpr std::uint32_t max_job_id =
    1u << 26;  // first one that Slurm never uses (its MAX_JOB_ID + 1)

// An IPv4 network in host byte order. Throws holon::Error on anything but "a.b.c.d/8" to "/30"
// without host bits.
struct Subnet {
    std::uint32_t network = 0;
    std::uint32_t prefix_length = 0;
    std::uint32_t hosts() const { return (1u << (32 - prefix_length)) - 2; }
};
Subnet parse_subnet(std::string_view text);

struct NodeShare {
    std::string name;
    std::uint32_t cpus = 0;       // allocated to the job on this node
    std::uint64_t memory_mb = 0;  // MiB allocated to the job on this node; 0 where it is not known
};

struct Job {
    std::uint32_t id = 0;       // Slurm's job id, below 2^26
    std::uint32_t restart = 0;  // Slurm's restart count
};

struct Sizing {                           // from holon.yaml
    std::uint64_t reserve_mb = 0;         // per VM, kept back for QEMU itself
    std::uint64_t default_memory_mb = 0;  // of each VM, where the allocation's memory is not known
    std::string subnet = "10.77.0.0/16";  // of every job's private network
};

struct Vm {
    std::uint32_t index = 0;
    std::string name;  // "vm0"
    std::string node;
    std::uint32_t cpus = 0;
    std::uint64_t memory_mb = 0;
    std::string mac;  // "02:jj:jj:jj:vv:vv", jj: low 24 bits of the job id, vv: index
    std::string
        address;  // "10.77.0.1": the subnet's first host plus index; empty without a network
};

struct Plan {
    Job job;
    std::vector<Vm> vms;  // by index; VMs of one node are consecutive, nodes in the allocation's
                          // order (but where a checkpoint says which VMs there are)
    // VXLAN identity. 26 bits of job id do not fit the 24-bit VNI: the two high bits choose one of
    // four UDP ports, so no two concurrent jobs ever share (vni, udp_port_offset). Three job ids
    // (multiples of 2^24) have VNI 0, which Linux takes like any other.
    std::uint32_t vni = 0;
    std::uint32_t udp_port_offset = 0;  // 0…3, added to the configured port
    std::uint32_t prefix_length = 16;   // of the subnet

    std::vector<Vm> on_node(std::string_view node) const;
};

// VMs are dealt to nodes in proportion to their CPUs (largest remainder; at least one, at most one
// per CPU). A node's CPUs are divided evenly among its VMs, its memory less the reserve in
// proportion to their CPUs. Memory not known from the allocation is taken from the spec; --vm-mem
// is then checked against it. Throws holon::Error (the user's line) where the allocation cannot
// hold the spec: more vCPUs per node than allocated, fewer VMs than nodes, less than 1 vCPU or 64
// MiB for a VM, a subnet too small.
//
// The VMs of a job that goes on from a checkpoint are as that has them, in slots (slots.h) that are
// dealt to the nodes in order; VM 0, where a batch script is, is on the first node. Throws where
// there are fewer slots than nodes, or not enough CPUs for them.
Plan make(const spec::Spec& spec, const std::vector<NodeShare>& allocation, Job job,
          const Sizing& sizing);

// Which VM of NODE a task runs in: tasks are dealt to the node's VMs in blocks. LOCAL_TASKS ≥ 1.
const Vm& vm_for_task(const Plan& plan, std::string_view node, std::uint32_t local_task,
                      std::uint32_t local_tasks);

// The VM of a virtual SMP on which its programs start: the one with the most CPUs, the first of
// several. It has the most memory too, since Slurm gives that by the CPU, or the same on each node.
const Vm& home(const Plan& plan);

std::string to_json(const Plan& plan);
Plan from_json(std::string_view text);

}  // namespace holon::plan
