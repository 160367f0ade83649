// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>

#include "select/placement/search.h"

namespace holon::placement {
namespace {

// Numbers of nodes that are tried, from the fewest that do: more nodes are only ever better where a
// node's own price is small against the rest.
constexpr std::uint32_t most_sizes = 64;
// Beyond these the exchange search is not proven.
constexpr std::uint32_t most_nodes_proven = 32;

}  // namespace

void Choice::classify() {
    classes_.clear();
    for (std::uint32_t i = 0; i < items_.size(); ++i) {
        if (classes_.empty() || classes_.back().cost != items_[i].cost)
            classes_.push_back({i, 0, items_[i].cost});
        ++classes_.back().size;
    }
}

// The fewest nodes that have the capacity, which are the largest ones.
bool Choice::fewest(const Need& need) {
    heads_.assign(classes_.size(), 0);
    std::uint64_t have = 0;
    for (fewest_ = 0; have < need.capacity; ++fewest_) {
        if (fewest_ == need.most) return false;
        std::size_t best = classes_.size();
        std::uint32_t largest = 0;
        for (std::size_t c = 0; c < classes_.size(); ++c)
            if (heads_[c] < classes_[c].size && capacity_of(classes_[c], heads_[c]) > largest) {
                largest = capacity_of(classes_[c], heads_[c]);
                best = c;
            }
        if (best == classes_.size()) return false;
        ++heads_[best];
        have += largest;
    }
    fewest_ = std::max(fewest_, need.least);
    return fewest_ <= need.most && fewest_ <= items_.size();
}

// The price of the NODES cheapest items of the classes behind FROM, whatever they hold.
std::uint64_t Choice::cheapest(std::uint32_t nodes, std::size_t from) const {
    std::uint64_t cost = 0;
    for (std::size_t c = from; c < classes_.size() && nodes != 0; ++c) {
        const std::uint32_t some = std::min(nodes, classes_[c].size);
        cost += std::uint64_t{some} * classes_[c].cost;
        nodes -= some;
    }
    return nodes == 0 ? cost : no_cost;
}

void Choice::keep(std::uint64_t cost) {
    if (cost >= best_cost_) return;
    best_cost_ = cost;
    best_ = counts_;
}

// Starts with the cheapest NODES items and exchanges one for a larger one of another cost until the
// capacity is there, each time where a CPU costs least; remembers the best end on the way.
void Choice::exchange(std::uint32_t nodes) {
    counts_.assign(classes_.size(), 0);
    std::uint64_t cost = 0, have = 0;
    for (std::size_t c = 0; c < classes_.size(); ++c) {
        for (; counts_[c] < classes_[c].size && nodes != 0; ++counts_[c], --nodes)
            have += capacity_of(classes_[c], counts_[c]);
        cost += std::uint64_t{counts_[c]} * classes_[c].cost;
    }
    while (have < wanted_) {
        if (cost >= best_cost_) return;
        std::size_t from = classes_.size(), to = 0;
        std::int64_t gain = 0, price = 0;
        for (std::size_t i = 0; i < classes_.size(); ++i) {
            if (counts_[i] == 0) continue;
            const std::int64_t smaller = capacity_of(classes_[i], counts_[i] - 1);
            for (std::size_t j = 0; j < classes_.size(); ++j) {
                if (i == j || counts_[j] == classes_[j].size) continue;
                const std::int64_t more = capacity_of(classes_[j], counts_[j]) - smaller;
                if (more <= 0) continue;
                const std::int64_t dearer =
                    std::int64_t{classes_[j].cost} - std::int64_t{classes_[i].cost};
                if (have + static_cast<std::uint64_t>(more) >= wanted_ &&
                    static_cast<std::int64_t>(cost) + dearer <
                        static_cast<std::int64_t>(std::min<std::uint64_t>(best_cost_, INT64_MAX))) {
                    --counts_[i], ++counts_[j];
                    keep(cost + static_cast<std::uint64_t>(dearer));
                    ++counts_[i], --counts_[j];
                }
                if (from == classes_.size() || dearer * gain < price * more) {
                    from = i, to = j, gain = more, price = dearer;
                }
            }
        }
        if (from == classes_.size()) return;
        --counts_[from], ++counts_[to];
        have += static_cast<std::uint64_t>(gain);
        cost += static_cast<std::uint64_t>(price);
    }
    keep(cost);
}

// Tries all counts of the classes from AT on, as far as they can still be better.
void Choice::prove(std::size_t at, std::uint32_t nodes, std::uint64_t cost,
                   std::uint64_t capacity) {
    if (*steps_ == 0) return;
    --*steps_;
    const std::uint64_t rest = cheapest(nodes, at);
    if (rest == no_cost || cost + rest >= best_cost_) return;
    if (nodes == 0) {
        if (capacity < wanted_) return;
        std::fill(counts_.begin() + static_cast<std::ptrdiff_t>(at), counts_.end(), 0u);
        return keep(cost);
    }
    std::uint64_t largest = 0;
    for (std::size_t c = at; c < classes_.size(); ++c)
        largest = std::max<std::uint64_t>(largest, capacity_of(classes_[c], 0));
    if (capacity + largest * nodes < wanted_) return;
    const Class& some = classes_[at];
    std::uint64_t have = capacity;
    for (std::uint32_t n = 0; n <= std::min(nodes, some.size); ++n) {
        if (n != 0) have += capacity_of(some, n - 1);
        counts_[at] = n;
        prove(at + 1, nodes - n, cost + std::uint64_t{n} * some.cost, have);
    }
}

bool Choice::solve(std::span<const Item> items, const Need& need, std::uint64_t cheaper_than,
                   std::uint32_t& steps) {
    items_ = items;
    wanted_ = need.capacity;
    steps_ = &steps;
    best_cost_ = cheaper_than;
    best_.clear();
    classify();
    if (!fewest(need)) return best_cost_ = no_cost, false;
    const std::uint64_t last =
        std::min<std::uint64_t>({need.most, items.size(), std::uint64_t{fewest_} + most_sizes});
    for (std::uint32_t nodes = fewest_; nodes <= last; ++nodes) {
        const std::uint64_t bound = cheapest(nodes);
        if (bound >= best_cost_) break;  // it only rises with their number
        exchange(nodes);
        // With two costs there is one way to exchange, so the first end is the best.
        if (best_cost_ > bound && classes_.size() > 2 && nodes <= most_nodes_proven) {
            counts_.assign(classes_.size(), 0);
            prove(0, nodes, 0, 0);
        }
    }
    const bool found = best_cost_ < cheaper_than;
    if (!found) best_cost_ = no_cost;
    return found;
}

void Choice::chosen(std::vector<std::uint32_t>& chosen) const {
    chosen.clear();
    for (std::size_t c = 0; c < classes_.size(); ++c)
        for (std::uint32_t i = 0; i < best_[c]; ++i) chosen.push_back(classes_[c].first + i);
}

}  // namespace holon::placement
