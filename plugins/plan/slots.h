// SPDX-License-Identifier: GPL-2.0-or-later
// How the VMs of a checkpoint are asked for: as equal slots, one task of Slurm's each. A slot has
// the CPUs of the largest VM; smaller VMs share one. So whatever nodes Slurm hands out, in whatever
// numbers of tasks, hold the VMs, and what Slurm counts, estimates and requeues is what the job
// has. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/spec/spec.h"

namespace holon::plan {

struct Slots {
    std::uint32_t cpus = 0;       // of each
    std::uint64_t memory_mb = 0;  // of each, with QEMU's own
    // By slot, the indices of its VMs, ascending; slots in the order of their first VM. So VM 0 is
    // in slot 0.
    std::vector<std::vector<std::uint32_t>> vms;

    std::uint64_t cpu_memory_mb() const { return (memory_mb + cpus - 1) / cpus; }
};

// RESERVE_MB: QEMU's own memory, for each VM. Which VMs share a slot does not depend on it. SHAPES
// is not empty, and no VM is without CPUs.
Slots make_slots(const std::vector<spec::Shape>& shapes, std::uint64_t reserve_mb);

// The same VMs on nodes that give CPUS CPUs each, where slots do not fit (the job was requeued, and
// asks for what it asked for the first time): for each VM the index of its node; VM 0 on the first,
// no node without one. Empty where none was found, in a bounded search.
std::vector<std::uint32_t> pack_vms(const std::vector<spec::Shape>& shapes,
                                    const std::vector<std::uint32_t>& cpus);

}  // namespace holon::plan
