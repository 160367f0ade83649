// SPDX-License-Identifier: GPL-2.0-or-later
// From the caller's nodes to sorted items, and from a choice of items to a candidate.
#include "select/placement/placement.h"

#include <algorithm>
#include <array>

#include "select/placement/state.h"

namespace holon::placement {
namespace {

constexpr std::uint32_t most_steps = 20'000;  // of proofs, in one answer
constexpr std::uint32_t most_domain_number = 65535;

}  // namespace

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
