// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/plan/slots.h"

#include <algorithm>
#include <numeric>

namespace holon::plan {

Slots make_slots(const std::vector<spec::Shape>& shapes, std::uint64_t reserve_mb) {
    Slots slots;
    for (const auto& shape : shapes) slots.cpus = std::max(slots.cpus, shape.cpus);
    // First fit, the large ones first; equal ones in their order.
    std::vector<std::uint32_t> order(shapes.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        return shapes[a].cpus > shapes[b].cpus;
    });
    std::vector<std::uint32_t> free;
    std::size_t first_open = 0;  // all before it are full
    for (const std::uint32_t vm : order) {
        while (first_open < free.size() && free[first_open] == 0) ++first_open;
        std::size_t slot = first_open;
        while (slot < free.size() && free[slot] < shapes[vm].cpus) ++slot;
        if (slot == free.size()) {
            free.push_back(slots.cpus);
            slots.vms.emplace_back();
        }
        free[slot] -= shapes[vm].cpus;
        slots.vms[slot].push_back(vm);
    }
    for (auto& vms : slots.vms) {
        std::sort(vms.begin(), vms.end());
        std::uint64_t memory = 0;
        for (const std::uint32_t vm : vms) memory += shapes[vm].memory_mb + reserve_mb;
        slots.memory_mb = std::max(slots.memory_mb, memory);
    }
    std::sort(slots.vms.begin(), slots.vms.end());
    return slots;
}

namespace {

// Depth first, the largest VMs first, each into every node that is not like one tried before.
class Search {
  public:
    Search(const std::vector<spec::Shape>& shapes, std::vector<std::uint32_t> free)
        : shapes_(shapes), free_(std::move(free)), vms_(free_.size()), at_(shapes.size()) {
        order_.resize(shapes.size());
        std::iota(order_.begin(), order_.end(), 0u);
        std::stable_sort(order_.begin() + 1, order_.end(), [&](std::uint32_t a, std::uint32_t b) {
            return shapes[a].cpus > shapes[b].cpus;
        });
    }

    std::vector<std::uint32_t> run() {
        return place(0, free_.size()) ? at_ : std::vector<std::uint32_t>{};
    }

  private:
    bool place(std::size_t next, std::size_t empty) {
        if (next == order_.size()) return empty == 0;
        if (order_.size() - next < empty || ++steps_ > most_steps) return false;
        const std::uint32_t vm = order_[next], cpus = shapes_[vm].cpus;
        const std::size_t nodes = next == 0 ? 1 : free_.size();
        for (std::size_t node = 0; node < nodes; ++node) {
            if (free_[node] < cpus || seen_before(node)) continue;
            const bool fresh = vms_[node]++ == 0;
            free_[node] -= cpus;
            at_[vm] = static_cast<std::uint32_t>(node);
            if (place(next + 1, empty - (fresh ? 1 : 0))) return true;
            free_[node] += cpus;
            --vms_[node];
        }
        return false;
    }
    bool seen_before(std::size_t node) const {
        for (std::size_t other = 0; other < node; ++other)
            if (free_[other] == free_[node] && (vms_[other] == 0) == (vms_[node] == 0)) return true;
        return false;
    }

    static constexpr std::size_t most_steps = 100'000;
    const std::vector<spec::Shape>& shapes_;
    std::vector<std::uint32_t> free_, vms_, at_, order_;
    std::size_t steps_ = 0;
};

}  // namespace

std::vector<std::uint32_t> pack_vms(const std::vector<spec::Shape>& shapes,
                                    const std::vector<std::uint32_t>& cpus) {
    return Search(shapes, cpus).run();
}

}  // namespace holon::plan
