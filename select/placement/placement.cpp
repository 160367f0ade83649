// SPDX-License-Identifier: GPL-2.0-or-later
// The search over latency domains: each domain alone, all together, and where neither shows that
// nothing better exists, unions of a few of them.
#include "select/placement/placement.h"

#include <algorithm>
#include <array>

#include "select/placement/search.h"

namespace holon::placement {
namespace {

constexpr std::uint32_t most_steps = 20'000;  // of proofs, in one answer
// Every union of domains is tried where that is at most so many nodes to look at.
constexpr std::uint32_t few_domains = 12;
constexpr std::size_t most_looked_at = 65'536;
constexpr std::size_t few_items = 512;
// Beyond them unions are grown from the best domains.
constexpr std::size_t most_seeds = 4, most_growth = 24, most_union = 64;
// And then changed by one domain as long as that helps: so many nodes are looked at for it.
constexpr std::size_t most_changed = 50'000;
// While unions grow: so many nodes are compared, then the ranking alone decides.
constexpr std::size_t most_compared = 200'000;
// Domains in which a packing of unlike VMs is tried, where there are many nodes.
constexpr std::size_t most_packed_domains = 6;
constexpr std::uint32_t most_domain_number = 65535;

}  // namespace

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

// --- gathering

std::uint32_t Placer::State::domain(std::uint32_t number) {
    number = std::min(number, most_domain_number);
    if (number >= domain_of_number.size()) domain_of_number.resize(number + 1, UINT32_MAX);
    if (domain_of_number[number] == UINT32_MAX) domain_of_number[number] = domains++;
    return domain_of_number[number];
}

void Placer::State::gather() {
    items.clear(), required.clear();
    std::fill(domain_of_number.begin(), domain_of_number.end(), UINT32_MAX);
    domains = 0;
    required_cost = 0;
    mixed = request->mode == Mode::restart &&
            std::adjacent_find(request->shapes.begin(), request->shapes.end(),
                               std::not_equal_to<>()) != request->shapes.end();
    std::uint32_t largest = 0;
    for (const Node& node : nodes) largest = std::max(largest, node.cpus);
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
        const Node& node = nodes[i];
        Item item{i, capacity(node, *request, &answer->refused), 0, 0};
        if (item.capacity == 0) {
            answer->required_refused = answer->required_refused || node.required;
            continue;
        }
        ++answer->eligible;
        answer->eligible_cpus += item.capacity;
        if (request->mode == Mode::restart && !mixed)
            item.capacity = vms_that_fit(node, request->shapes.front(), request->vm_overhead_mb);
        item.cost = node_cost(node, weights, largest);
        item.domain = domain(node.domain);
        (node.required ? required : items).push_back(item);
    }
    required_domain.assign(domains, 0);
    required_domains = 0;
    for (const Item& item : required) {
        required_cost += item.cost;
        if (required_domain[item.domain]++ == 0) ++required_domains;
    }
}

// ITEMS by cost and falling capacity, in three passes over 24 bits. False where they need more.
bool Placer::State::sort_by_radix() {
    costs.clear();
    keys.resize(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto at = std::find(costs.begin(), costs.end(), items[i].cost);
        if (at == costs.end()) {
            if (costs.size() == 64 || items[i].capacity > 65535) return false;
            costs.push_back(items[i].cost);
        }
    }
    std::sort(costs.begin(), costs.end());
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (items[i].capacity > 65535) return false;
        const auto rank = static_cast<std::uint64_t>(
            std::lower_bound(costs.begin(), costs.end(), items[i].cost) - costs.begin());
        keys[i] = i << 24 | rank << 16 | (65535 - items[i].capacity);
    }
    keys_beside.resize(keys.size());
    for (int shift = 0; shift < 24; shift += 8) {
        std::array<std::uint32_t, 257> start{};
        for (const std::uint64_t key : keys) ++start[(key >> shift & 255) + 1];
        if (std::find(start.begin(), start.end(), keys.size()) != start.end()) continue;
        for (std::size_t i = 1; i < start.size(); ++i) start[i] += start[i - 1];
        for (const std::uint64_t key : keys) keys_beside[start[key >> shift & 255]++] = key;
        keys.swap(keys_beside);
    }
    unsorted.swap(items);
    items.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) items[i] = unsorted[keys[i] >> 24];
    return true;
}

void Placer::State::sort() {
    if (!sort_by_radix())
        std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
            if (a.cost != b.cost) return a.cost < b.cost;
            if (a.capacity != b.capacity) return a.capacity > b.capacity;
            return a.node < b.node;
        });
    first.assign(domains + 1, 0);
    for (const Item& item : items) ++first[item.domain + 1];
    for (std::uint32_t d = 0; d < domains; ++d) first[d + 1] += first[d];
    by_domain.resize(items.size());
    numbers.assign(first.begin(), first.end());
    for (const Item& item : items) by_domain[numbers[item.domain]++] = item;
}

// What is wanted besides the required nodes; false where that cannot be.
bool Placer::State::want() {
    std::uint64_t capacity =
        request->mode == Mode::restart ? request->shapes.size() : request->cpus;
    std::uint64_t most_nodes = request->max_nodes != 0 ? request->max_nodes : UINT32_MAX;
    if (request->mode == Mode::restart)
        most_nodes = std::min<std::uint64_t>(most_nodes, request->shapes.size());
    const std::uint64_t least_nodes = std::max(request->min_nodes, 1u);
    if (most_nodes < least_nodes || required.size() > most_nodes) return false;
    for (const Item& item : required) capacity -= std::min<std::uint64_t>(capacity, item.capacity);
    need.capacity = capacity;
    need.most = static_cast<std::uint32_t>(most_nodes - required.size());
    need.least = static_cast<std::uint32_t>(
        least_nodes > required.size() ? least_nodes - required.size() : 0);
    return true;
}

// --- search

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

// --- results

// Exchanges chosen items for smaller ones of the same price, as long as the capacity stays: what is
// left over is then in one piece elsewhere.
void Placer::State::best_fit(std::span<const Item> list) {
    std::uint64_t have = 0;
    for (std::uint32_t i : chosen) have += list[i].capacity;
    if (have <= need.capacity) return;
    std::uint64_t spare = have - need.capacity;
    mark.assign(list.size(), 0);
    numbers.assign(domains, 0);  // how many of the chosen are in each domain
    for (std::uint32_t i : chosen) mark[i] = 1, ++numbers[list[i].domain];
    for (const Item& item : required) ++numbers[item.domain];
    // From the smallest chosen on: it can lose most.
    for (auto at = chosen.rbegin(); at != chosen.rend() && spare != 0; ++at) {
        const Item& now = list[*at];
        std::uint32_t better = *at;
        std::size_t looked = 0;
        for (std::uint32_t i = *at + 1; i < list.size() && list[i].cost == now.cost; ++i) {
            if (now.capacity - list[i].capacity > spare || ++looked > few_items) break;
            if (mark[i] == 0 && list[i].capacity < list[better].capacity &&
                (list[i].domain == now.domain || numbers[list[i].domain] != 0))
                better = i;
        }
        if (better == *at) continue;
        spare -= now.capacity - list[better].capacity;
        --numbers[now.domain], ++numbers[list[better].domain];
        mark[*at] = 0, mark[better] = 1;
        *at = better;
    }
}

// CPUs of each node: each what it must have, the rest to the largest.
void Placer::State::share(Candidate& candidate) {
    const std::uint32_t granule = std::max(request->granule, 1u);
    std::uint32_t least = std::max({request->min_cpus_per_node, granule, 1u});
    least += (granule - least % granule) % granule;
    candidate.cpus.resize(candidate.nodes.size());
    std::uint64_t left = request->cpus;
    for (std::uint32_t& cpus : candidate.cpus) {
        cpus = least;
        left -= std::min<std::uint64_t>(left, least);
    }
    numbers.resize(candidate.nodes.size());
    for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
    shapes.resize(candidate.nodes.size());
    for (std::uint32_t i = 0; i < shapes.size(); ++i)
        shapes[i] = capacity(nodes[candidate.nodes[i]], *request);
    std::sort(numbers.begin(), numbers.end(), [&](std::uint32_t a, std::uint32_t b) {
        return shapes[a] != shapes[b] ? shapes[a] > shapes[b] : a < b;
    });
    for (std::uint32_t i : numbers) {
        if (request->whole_nodes) {
            candidate.cpus[i] = shapes[i];
            continue;
        }
        const auto more = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(left, shapes[i] - std::min(shapes[i], least)));
        candidate.cpus[i] += more;
        left -= more;
    }
}

void Placer::State::describe(Candidate& candidate, std::span<const Item> list) {
    candidate.nodes.clear(), candidate.cpus.clear(), candidate.vm_node.clear();
    candidate.cost = 0;
    candidate.domains = candidate.whole = candidate.uncached = candidate.emulated =
        candidate.unknown = 0;
    candidate.left_over = 0;
    mark.assign(domains, 0);
    const auto count = [&](const Item& item) {
        candidate.nodes.push_back(item.node);
        candidate.cost += item.cost;
        if (mark[item.domain] == 0) ++candidate.domains;
        mark[item.domain] = 1;
        const Node& node = nodes[item.node];
        candidate.whole += is_whole(node);
        candidate.uncached += node.image != ImageState::cached;
        candidate.emulated += !node.kvm;
        candidate.unknown += node.health == Health::unknown;
    };
    if (!mixed)
        for (const Item& item : required) count(item);
    for (std::uint32_t i : chosen) count(list[i]);
    candidate.cost += std::uint64_t{weights.domain} * (candidate.domains - 1);
    std::sort(candidate.nodes.begin(), candidate.nodes.end());

    if (request->mode != Mode::restart) {
        share(candidate);
    } else {
        const auto& saved = request->shapes;
        if (mixed) {
            for (std::uint32_t item : packer.vm_item())
                candidate.vm_node.push_back(list[item].node);
        } else {
            // One VM each, then as many more as fit, from the first node on.
            std::size_t left = saved.size() - candidate.nodes.size();
            for (std::uint32_t node : candidate.nodes) {
                const std::uint32_t room =
                    vms_that_fit(nodes[node], saved.front(), request->vm_overhead_mb);
                const std::size_t here = 1 + std::min<std::size_t>(left, room - 1);
                left -= here - 1;
                candidate.vm_node.insert(candidate.vm_node.end(), here, node);
            }
        }
        candidate.cpus.assign(candidate.nodes.size(), 0);
        for (std::size_t vm = 0; vm < saved.size(); ++vm) {
            const auto at = std::lower_bound(candidate.nodes.begin(), candidate.nodes.end(),
                                             candidate.vm_node[vm]);
            candidate.cpus[static_cast<std::size_t>(at - candidate.nodes.begin())] +=
                saved[vm].cpus;
        }
    }
    for (std::size_t i = 0; i < candidate.nodes.size(); ++i) {
        const std::uint32_t free = nodes[candidate.nodes[i]].free_cpus;
        candidate.left_over += free - std::min(free, candidate.cpus[i]);
    }
}

// Makes a candidate of CHOSEN (or of what was packed) and puts it in its place, if it is among the
// best and new.
void Placer::State::add(std::span<const Item> list) {
    auto& candidates = answer->candidates;
    if (mixed) {
        chosen = packer.vm_item();
        std::sort(chosen.begin(), chosen.end());
        chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    } else {
        best_fit(list);
    }
    if (candidates.size() <= answer->count) candidates.resize(answer->count + 1);
    Candidate& fresh = candidates[answer->count];
    describe(fresh, list);
    std::size_t place = answer->count;
    for (std::size_t i = 0; i < answer->count; ++i) {
        if (candidates[i].nodes == fresh.nodes) return;
        if (place == answer->count &&
            (fresh.cost < candidates[i].cost ||
             (fresh.cost == candidates[i].cost && fresh.left_over < candidates[i].left_over)))
            place = i;
    }
    if (place == most) return;
    const auto at = candidates.begin() + static_cast<std::ptrdiff_t>(place);
    std::rotate(at, candidates.begin() + static_cast<std::ptrdiff_t>(answer->count),
                candidates.begin() + static_cast<std::ptrdiff_t>(answer->count) + 1);
    answer->count = std::min(answer->count + 1, most);
}

Placer::Placer() : state_(std::make_unique<State>()) {}
Placer::~Placer() = default;

void Placer::place(std::span<const Node> nodes, const Request& request, const Weights& weights,
                   Answer& answer, std::size_t most) {
    answer.count = 0;
    answer.eligible = 0;
    answer.eligible_cpus = 0;
    answer.refused = {};
    answer.required_refused = false;
    State& state = *state_;
    state.nodes = nodes;
    state.request = &request;
    state.weights = weights;
    state.answer = &answer;
    state.most = std::max<std::size_t>(most, 1);
    state.steps = most_steps;
    state.compared = 0;
    if (request.mode == Mode::restart && request.shapes.empty()) return;
    state.gather();
    if (answer.required_refused || !state.want()) return;
    state.sort();
    state.search();
}

}  // namespace holon::placement
