// SPDX-License-Identifier: GPL-2.0-or-later
// The search over latency domains: each domain alone, all together, and where neither shows that
// nothing better exists, unions of a few of them.
#include <algorithm>

#include "select/placement/state.h"

namespace holon::placement {
namespace {

// Every union of domains is tried where that is at most so many nodes to look at.
constexpr std::uint32_t few_domains = 12;
constexpr std::size_t most_looked_at = 65'536;
// Beyond them unions are grown from the best domains.
constexpr std::size_t most_seeds = 4, most_growth = 24, most_union = 64;
// And then changed by one domain as long as that helps: so many nodes are looked at for it.
constexpr std::size_t most_changed = 50'000;
// While unions grow: so many nodes are compared, then the ranking alone decides.
constexpr std::size_t most_compared = 200'000;
// Domains in which a packing of unlike VMs is tried, where there are many nodes.
constexpr std::size_t most_packed_domains = 6;

}  // namespace

// Looks for the best choice in LIST and offers it as a candidate. Returns its cost without that of
// domains and required nodes, which is a bound for every list that is part of it.
// With BOUND: no_cost as well where it is no better than what there is.
std::uint64_t Placer::State::try_list(std::span<const Item> list, bool bound) {
    if (mixed) {
        some.assign(required.begin(), required.end());
        some.insert(some.end(), list.begin(), list.end());
        const std::uint32_t least = std::max(request->min_nodes, 1u);
        const std::uint32_t most_nodes = need.most + static_cast<std::uint32_t>(required.size());
        if (!packer.pack(nodes, some, *request, least, most_nodes, weights.domain, limit(), steps))
            return no_cost;
        add(some);
        return 0;
    }
    if (bound && limit() <= required_cost) return no_cost;
    const std::uint64_t below = bound && limit() != no_cost ? limit() - required_cost : no_cost;
    if (!choice.solve(list, need, below, steps)) return no_cost;
    const std::uint64_t cost = choice.cost();
    if (cost + required_cost < limit()) {
        choice.chosen(chosen);
        add(list);
    }
    return cost;
}

// SOME becomes the items of the domains that WANTED marks, in the order of ITEMS.
void Placer::State::keep_domains() {
    some.clear();
    for (const Item& item : items)
        if (wanted[item.domain] != 0) some.push_back(item);
}

void Placer::State::every_union(std::uint64_t relaxed) {
    wanted.assign(domains, 0);
    for (std::uint32_t size = 2; size < domains; ++size) {
        if (relaxed + required_cost + std::uint64_t{weights.domain} * (size - 1) >= best()) return;
        for (std::uint32_t set = 1; set < 1u << domains; ++set) {
            if (static_cast<std::uint32_t>(__builtin_popcount(set)) != size) continue;
            for (std::uint32_t d = 0; d < domains; ++d) wanted[d] = set >> d & 1;
            keep_domains();
            try_list(some, true);
        }
    }
}

// Adds to the seed, one after the other, the domain that holds most of what is still missing.
void Placer::State::grow(std::uint32_t seed) {
    wanted.assign(domains, 0);
    held.clear();
    const std::size_t room = std::min<std::size_t>(need.most, items.size());
    const auto merge = [&](std::uint32_t d) {
        of_domain.clear();
        for (const Item& item : domain_items(d)) of_domain.push_back(item.capacity);
        std::sort(of_domain.begin(), of_domain.end(), std::greater<>());
        merged.resize(held.size() + of_domain.size());
        std::merge(held.begin(), held.end(), of_domain.begin(), of_domain.end(), merged.begin(),
                   std::greater<>());
        if (merged.size() > room) merged.resize(room);
        compared += merged.size();
        std::uint64_t sum = 0;
        for (std::uint32_t capacity : merged) sum += capacity;
        return sum;
    };
    std::uint64_t have = merge(seed);
    held = merged;
    wanted[seed] = 1;
    for (std::size_t size = 1; size < most_union; ++size) {
        if (have >= need.capacity && held.size() >= need.least) {
            keep_domains();
            try_list(some, true);
            return;
        }
        std::uint32_t best_domain = domains;
        std::uint64_t most_held = 0;
        std::size_t tried = 0;
        for (std::uint32_t d : ranking) {
            if (wanted[d] != 0) continue;
            if (tried++ == (compared < most_compared ? most_growth : 1)) break;
            const std::uint64_t sum = merge(d);
            if (best_domain == domains || sum > most_held) {
                best_domain = d, most_held = sum;
                best_merged = merged;
            }
        }
        if (best_domain == domains) return;
        wanted[best_domain] = 1;
        held = best_merged;
        have = most_held;
    }
}

void Placer::State::grown_unions() {
    first_ranking.clear();
    const std::uint32_t fewest = std::max(choice.fewest_nodes(), 1u);
    // Twice: by what a domain holds in as few nodes as do at all, and by all it holds.
    for (const std::uint32_t nodes_wanted : {fewest, need.most}) {
        holdings.clear();
        for (std::uint32_t d = 0; d < domains; ++d) {
            numbers.clear();
            for (const Item& item : domain_items(d)) numbers.push_back(item.capacity);
            if (numbers.size() > nodes_wanted)
                std::nth_element(numbers.begin(), numbers.begin() + nodes_wanted, numbers.end(),
                                 std::greater<>());
            std::uint64_t sum = 0;
            for (std::size_t i = 0; i < std::min<std::size_t>(nodes_wanted, numbers.size()); ++i)
                sum += numbers[i];
            if (sum != 0) holdings.emplace_back(sum, d);
        }
        std::sort(holdings.begin(), holdings.end(), std::greater<>());
        ranking.clear();
        for (const auto& [sum, d] : holdings) ranking.push_back(d);
        if (first_ranking.empty()) first_ranking = ranking;
        const std::uint32_t most_nodes = need.most;
        if (nodes_wanted == fewest) need.most = fewest;
        for (std::size_t i = 0; i < std::min(most_seeds, ranking.size()); ++i) grow(ranking[i]);
        need.most = most_nodes;
        if (fewest >= need.most) break;
    }
    change_one();
}

// Leaves a domain of the best set out, or takes another one in its place.
void Placer::State::change_one() {
    std::size_t looked = 0;
    for (std::uint64_t before = no_cost; best() < before && best() != no_cost;) {
        before = best();
        wanted.assign(domains, 0);
        for (const std::uint32_t node : answer->candidates.front().nodes)
            wanted[domain(nodes[node].domain)] = 1;
        for (std::uint32_t out = 0; out < domains && best() == before; ++out) {
            if (wanted[out] == 0) continue;
            wanted[out] = 0;
            keep_domains();
            try_list(some, true);
            looked += items.size();
            for (std::size_t i = 0; i < std::min(most_growth, first_ranking.size()); ++i) {
                if (looked > most_changed) return;
                if (wanted[first_ranking[i]] != 0 || first_ranking[i] == out) continue;
                wanted[first_ranking[i]] = 1;
                keep_domains();
                try_list(some, true);
                wanted[first_ranking[i]] = 0;
                looked += items.size();
            }
            wanted[out] = 1;
        }
    }
}

// Each domain alone, those that hold most first: they have the sets of fewest nodes, which bound
// the others.
void Placer::State::try_domains() {
    std::uint64_t least_held = need.capacity;
    if (mixed) {
        least_held = 0;
        for (const Shape& shape : request->shapes) least_held += shape.cpus;
        for (const Item& item : required)
            least_held -= std::min<std::uint64_t>(least_held, item.capacity);
    }
    holdings.clear();
    for (std::uint32_t d = 0; d < domains; ++d) {
        if (required_domains != 0 && required_domain[d] == 0) continue;
        const auto list = domain_items(d);
        std::uint64_t sum = 0;
        for (const Item& item : list) sum += item.capacity;
        if (sum >= least_held && list.size() >= need.least) holdings.emplace_back(sum, d);
    }
    std::sort(holdings.begin(), holdings.end(), [](const auto& a, const auto& b) {
        return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::size_t most_domains = holdings.size();
    if (mixed && items.size() > few_items)
        most_domains = std::min(most_domains, most_packed_domains);
    for (std::size_t i = 0; i < most_domains; ++i) try_list(domain_items(holdings[i].second), true);
}

void Placer::State::search() {
    if (domains == 0) return;
    if (required_domains <= 1 && domains > 1) try_domains();
    const std::uint64_t relaxed = try_list(items);
    if (relaxed == no_cost || domains <= 2 || mixed) return;
    const std::uint64_t next = std::max(required_domains, 2u) - 1;
    if (relaxed + required_cost + next * weights.domain >= best()) return;
    if (domains <= few_domains && items.size() << domains <= most_looked_at)
        every_union(relaxed);
    else
        grown_unions();
}

}  // namespace holon::placement
