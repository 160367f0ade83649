// SPDX-License-Identifier: GPL-2.0-or-later
// Inside select/placement: one question under way, and the memory that the next one uses again.
#pragma once

#include <vector>

#include "select/placement/search.h"

namespace holon::placement {

// Above this many nodes some loops look at a part of them only.
inline constexpr std::size_t few_items = 512;

struct Placer::State {
    std::span<const Node> nodes;
    const Request* request = nullptr;
    Weights weights;
    Answer* answer = nullptr;
    std::size_t most = 0;
    std::uint32_t steps = 0;
    bool mixed = false;  // shapes differ: packed, not chosen

    std::vector<Item> items;      // eligible, optional; by cost, then capacity
    std::vector<Item> by_domain;  // the same, domain after domain
    std::vector<Item> some;       // of a few domains
    std::vector<Item> required;
    std::vector<std::uint32_t> first;  // of each domain in by_domain, and the end
    std::vector<std::uint32_t> domain_of_number;
    std::vector<char> required_domain;  // by domain: has required nodes
    std::uint32_t domains = 0, required_domains = 0;
    std::uint64_t required_cost = 0;
    Need need;
    Choice choice;
    Packer packer;
    std::vector<std::uint32_t> chosen, numbers, shapes;
    std::vector<char> mark, wanted;
    std::vector<std::uint64_t> keys, keys_beside;
    std::vector<std::uint32_t> costs;
    std::vector<Item> unsorted;
    std::vector<std::uint32_t> held, merged, best_merged, of_domain, ranking, first_ranking;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> holdings;
    std::size_t compared = 0;

    // --- gathering
    void gather();
    std::uint32_t domain(std::uint32_t number);
    void sort();
    bool sort_by_radix();
    bool want();

    // --- search
    void search();
    std::uint64_t try_list(std::span<const Item> list, bool bound = false);
    void try_domains();
    std::uint64_t limit() const {
        return answer->count < most ? no_cost : answer->candidates[answer->count - 1].cost;
    }
    std::uint64_t best() const {
        return answer->count == 0 ? no_cost : answer->candidates.front().cost;
    }
    std::span<const Item> domain_items(std::uint32_t d) const {
        return {by_domain.data() + first[d], first[d + 1] - first[d]};
    }
    void every_union(std::uint64_t relaxed);
    void grown_unions();
    void change_one();
    void grow(std::uint32_t seed);
    void keep_domains();

    // --- results
    void add(std::span<const Item> list);
    void best_fit(std::span<const Item> list);
    void describe(Candidate& candidate, std::span<const Item> list);
    void share(Candidate& candidate);
};

}  // namespace holon::placement
