// SPDX-License-Identifier: GPL-2.0-or-later
// Inside select/placement: the parts of the search, from one node's price to the cheapest choice
// out of one list of nodes.
#pragma once

#include <cstdint>
#include <vector>

#include "select/placement/placement.h"

namespace holon::placement {

// An eligible node, as the search sees it.
struct Item {
    std::uint32_t node = 0;      // its index in the caller's span
    std::uint32_t capacity = 0;  // CPUs, or VMs where all are of one shape
    std::uint32_t cost = 0;      // without what its domain costs
    std::uint32_t domain = 0;    // counted from 0 without gaps
};

inline bool is_whole(const Node& node) { return node.cpus != 0 && node.free_cpus >= node.cpus; }
std::uint32_t node_cost(const Node& node, const Weights& weights, std::uint32_t largest);
// How many VMs of SHAPE the node has room for.
std::uint32_t vms_that_fit(const Node& node, const Shape& shape, std::uint64_t overhead_mb);

// What is still wanted when the required nodes are counted in.
struct Need {
    std::uint64_t capacity = 0;
    std::uint32_t least = 0, most = 0;  // nodes
};

inline constexpr std::uint64_t no_cost = UINT64_MAX;

// The cheapest choice out of one list of items, by number of nodes of each cost. Exact where the
// list has at most two costs, or is small; elsewhere a good exchange search.
//
// Among items of one cost the larger are always at least as good, so a choice is a count for each
// cost: counts[c] takes the first counts[c] items of that cost.
class Choice {
  public:
    // ITEMS by ascending cost, then descending capacity. STEPS is what may be spent on proving, and
    // is counted down. False where no choice is good.
    bool solve(std::span<const Item> items, const Need& need, std::uint64_t cheaper_than,
               std::uint32_t& steps);
    std::uint64_t cost() const { return best_cost_; }
    // The chosen items, by number in ITEMS; the memory is CHOSEN's.
    void chosen(std::vector<std::uint32_t>& chosen) const;
    std::uint32_t fewest_nodes() const { return fewest_; }

  private:
    struct Class {
        std::uint32_t first = 0, size = 0, cost = 0;
    };
    std::span<const Item> items_;
    std::vector<Class> classes_;
    std::vector<std::uint32_t> counts_, best_, heads_;
    std::uint64_t best_cost_ = no_cost;
    std::uint32_t fewest_ = 0;
    std::uint64_t wanted_ = 0;
    std::uint32_t* steps_ = nullptr;

    void classify();
    bool fewest(const Need& need);
    std::uint64_t cheapest(std::uint32_t nodes, std::size_t from = 0) const;
    void exchange(std::uint32_t nodes);
    void prove(std::size_t at, std::uint32_t nodes, std::uint64_t cost, std::uint64_t capacity);
    void keep(std::uint64_t cost);
    std::uint32_t capacity_of(const Class& some, std::uint32_t position) const {
        return items_[some.first + position].capacity;
    }
};

// Mode::restart with VMs of several shapes.
class Packer {
  public:
    // Places all shapes on nodes of ITEMS (in the order of Choice), at most MOST of them and at
    // least LEAST; the cost counts DOMAIN_WEIGHT for each domain but one. vm_item() then says where
    // each shape is. Exact for small problems; elsewhere a first-fit-decreasing search that may
    // miss a very tight packing.
    bool pack(std::span<const Node> nodes, std::span<const Item> items, const Request& request,
              std::uint32_t least, std::uint32_t most, std::uint32_t domain_weight,
              std::uint64_t cheaper_than, std::uint32_t& steps);
    std::uint64_t cost() const { return best_cost_; }
    const std::vector<std::uint32_t>& vm_item() const { return best_; }

  private:
    std::span<const Node> nodes_;
    std::span<const Item> items_;
    const Request* request_ = nullptr;
    std::uint32_t least_ = 0, most_ = 0, domain_weight_ = 0;
    std::vector<std::uint32_t> order_;         // shapes, largest first
    std::vector<std::uint32_t> at_, best_;     // by shape: its item
    std::vector<std::uint32_t> cpus_;          // by item: CPUs left
    std::vector<std::uint64_t> memory_;        // by item: memory left
    std::vector<std::uint32_t> vms_;           // by item: VMs on it
    std::vector<std::uint32_t> domain_nodes_;  // by domain: nodes in use
    std::vector<std::uint32_t> fill_, fill_best_;
    std::uint32_t used_ = 0, domains_ = 0;
    std::uint64_t best_cost_ = no_cost;
    std::uint32_t* steps_ = nullptr;

    void reset();
    bool fits(std::uint32_t item, std::uint32_t shape) const;
    std::uint64_t put(std::uint32_t item, std::uint32_t shape);
    std::uint64_t take(std::uint32_t item, std::uint32_t shape);
    std::uint64_t fill(std::uint32_t item, std::vector<std::uint32_t>& shapes) const;
    void greedy();
    void spread(std::uint64_t& cost);
    void search(std::size_t next, std::uint64_t cost);
    void keep(std::uint64_t cost);
};

}  // namespace holon::placement
