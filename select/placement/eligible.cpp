// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "select/placement/search.h"

namespace holon::placement {
namespace {

using Why = std::uint32_t Refused::*;

std::uint32_t no(Refused* refused, Why why) {
    if (refused != nullptr) ++(refused->*why);
    return 0;
}

bool fits(const Node& node, const Shape& shape, std::uint64_t overhead_mb) {
    return shape.cpus <= node.free_cpus && shape.memory_mb <= node.free_memory_mb &&
           overhead_mb <= node.free_memory_mb - shape.memory_mb;
}

std::uint32_t room_for_shapes(const Node& node, const Request& request, Refused* refused) {
    bool cpus = false;
    for (const Shape& shape : request.shapes) {
        if (fits(node, shape, request.vm_overhead_mb)) return node.free_cpus;
        cpus = cpus || shape.cpus <= node.free_cpus;
    }
    return no(refused, cpus ? &Refused::memory : &Refused::cpus);
}

}  // namespace

std::uint32_t capacity(const Node& node, const Request& request, Refused* refused) {
    if (!node.available) return no(refused, &Refused::unavailable);
    if (node.health == Health::broken) return no(refused, &Refused::broken);
    if (node.image == ImageState::absent) return no(refused, &Refused::image);
    if (request.kvm && !node.kvm) return no(refused, &Refused::accelerator);
    if (request.huge_mb > node.free_huge_mb) return no(refused, &Refused::huge_pages);
    if (request.whole_nodes && node.free_cpus < node.cpus) return no(refused, &Refused::cpus);
    if (request.mode == Mode::restart) return room_for_shapes(node, request, refused);

    if (request.node_memory_mb > node.free_memory_mb) return no(refused, &Refused::memory);
    const std::uint32_t granule = std::max(request.granule, 1u);
    const std::uint32_t least = std::max({request.min_cpus_per_node, granule, 1u});
    std::uint32_t cpus = node.free_cpus;
    if (request.max_cpus_per_node != 0) cpus = std::min(cpus, request.max_cpus_per_node);
    if (cpus - cpus % granule < least) return no(refused, &Refused::cpus);
    if (request.cpu_memory_mb != 0)
        cpus = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(cpus, node.free_memory_mb / request.cpu_memory_mb));
    cpus -= cpus % granule;
    return cpus < least ? no(refused, &Refused::memory) : cpus;
}

std::uint32_t vms_that_fit(const Node& node, const Shape& shape, std::uint64_t overhead_mb) {
    const std::uint64_t memory_mb = shape.memory_mb + overhead_mb;
    std::uint64_t room = shape.cpus != 0 ? node.free_cpus / shape.cpus : node.free_cpus;
    if (memory_mb != 0) room = std::min(room, node.free_memory_mb / memory_mb);
    return static_cast<std::uint32_t>(room);
}

std::uint32_t node_cost(const Node& node, const Weights& weights, std::uint32_t largest) {
    std::uint64_t cost = weights.node;
    if (is_whole(node) && largest != 0) cost += std::uint64_t{weights.whole} * node.cpus / largest;
    if (node.image != ImageState::cached) cost += weights.uncached;
    if (!node.kvm) cost += weights.emulated;
    if (node.health == Health::unknown) cost += weights.unknown;
    return static_cast<std::uint32_t>(cost);
}

}  // namespace holon::placement
