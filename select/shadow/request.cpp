// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/shadow/request.h"

#include <algorithm>

#include "plugins/plan/slots.h"
#include "plugins/spec/spec.h"

namespace holon::shadow {
namespace {

// NO_VAL and INFINITE stand for "not given" in each width.
template <typename T>
std::uint32_t given(T value) {
    constexpr T none = static_cast<T>(~T{0} - 1), infinite = static_cast<T>(~T{0});
    return value == none || value == infinite ? 0 : static_cast<std::uint32_t>(value);
}

}  // namespace

Wanted wanted_of(const Test& test, std::string_view text, const site::Facts& facts) {
    const spec::Spec spec = spec::from_json(text);
    const auto& details = *test.job->details;
    Wanted wanted;
    placement::Request& request = wanted.request;
    wanted.smp = spec.mode == spec::Mode::smp;
    request.mode = wanted.smp ? placement::Mode::smp : placement::Mode::cluster;

    const std::uint32_t per_task = std::max<std::uint32_t>(1, given(details.cpus_per_task));
    const std::uint32_t tasks = given(details.num_tasks);
    const std::uint32_t per_node = given(details.ntasks_per_node);
    request.granule = per_task;
    request.min_cpus_per_node =
        std::max({given(details.pn_min_cpus), per_task, per_node * per_task});
    request.max_cpus_per_node = per_node * per_task;
    request.whole_nodes = details.whole_node == 1;
    // Slurm gives a range of nodes as many as it can get, up to WANTED_NODES.
    request.min_nodes = std::max({1u, test.min_nodes, test.wanted_nodes});
    // a job without a limit comes with one in the hundreds of thousands
    request.max_nodes =
        test.max_nodes >= static_cast<std::uint32_t>(500000) ? 0 : given(test.max_nodes);
    request.cpus = std::max(
        {given(details.min_cpus), tasks * per_task, request.min_nodes * request.min_cpus_per_node});
    if (details.pn_min_memory != NO_VAL64 && details.pn_min_memory != INFINITE64) {
        if ((details.pn_min_memory & MEM_PER_CPU) != 0)
            request.cpu_memory_mb = details.pn_min_memory & ~MEM_PER_CPU;
        else
            request.node_memory_mb = details.pn_min_memory;
    }
    if (spec.restart) {
        // Asked for as slots, one task each (plugins/plan/slots.h): the whole set is to be had.
        const plan::Slots slots = plan::make_slots(spec.restart->vms, facts.memory_reserve_mb);
        request.mode = placement::Mode::restart;
        request.shapes.assign(slots.vms.size(), {slots.cpus, slots.cpu_memory_mb() * slots.cpus});
        request.min_nodes = std::max(1u, test.min_nodes);
    }
    request.kvm = facts.needs_kvm;
    wanted.image = spec.image.starts_with('/') ? site::any_image : facts.image(spec.image);
    return wanted;
}

}  // namespace holon::shadow
