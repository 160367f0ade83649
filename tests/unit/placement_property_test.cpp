// SPDX-License-Identifier: GPL-2.0-or-later
// select/placement against answers that are found by trying everything. The rules are written here
// a second time, from the text of placement.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <set>

#include "select/placement/placement.h"

namespace holon::placement {
namespace {

using Random = std::mt19937_64;

std::uint32_t below(Random& random, std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(random);
}
bool once_in(Random& random, std::uint32_t times) { return below(random, times) == 0; }

std::vector<Node> random_nodes(Random& random, std::uint32_t count) {
    const std::uint32_t domains = 1 + below(random, 4);
    const std::uint32_t sizes[] = {4, 8, 16};
    const bool uniform = once_in(random, 2);
    std::vector<Node> nodes(count);
    for (Node& node : nodes) {
        node.cpus = uniform ? 8 : sizes[below(random, 3)];
        node.free_cpus = once_in(random, 3) ? node.cpus : below(random, node.cpus + 1);
        node.memory_mb = 16384;
        node.free_memory_mb = once_in(random, 8) ? unlimited_mb : 1024 * (1 + below(random, 16));
        node.domain = below(random, domains) * 7;
        if (once_in(random, 10)) node.health = Health::broken;
        if (once_in(random, 10)) node.health = Health::unknown;
        if (once_in(random, 3)) node.image = ImageState::present;
        if (once_in(random, 15)) node.image = ImageState::absent;
        node.kvm = !once_in(random, 6);
        node.required = once_in(random, 25);
        node.available = !once_in(random, 15);
        node.free_huge_mb = once_in(random, 2) ? 2048 : 0;
    }
    return nodes;
}

Request random_request(Random& random, std::uint32_t nodes) {
    Request request;
    request.mode = once_in(random, 2) ? Mode::smp : Mode::cluster;
    request.cpus = 1 + below(random, 30);
    request.min_nodes = once_in(random, 2) ? 1 + below(random, std::max(nodes / 2, 1u)) : 1;
    if (once_in(random, 2)) request.max_nodes = request.min_nodes + below(random, 3);
    if (once_in(random, 3)) request.min_cpus_per_node = 1 + below(random, 4);
    if (once_in(random, 6)) request.max_cpus_per_node = 2 + below(random, 6);
    if (once_in(random, 4)) request.granule = 1 + below(random, 4);
    if (once_in(random, 4)) request.node_memory_mb = 1024 * below(random, 6);
    if (once_in(random, 4)) request.cpu_memory_mb = 512 * below(random, 5);
    if (once_in(random, 12)) request.huge_mb = 1024;
    request.kvm = once_in(random, 10);
    request.whole_nodes = once_in(random, 12);
    return request;
}

Weights random_weights(Random& random) {
    if (once_in(random, 3)) return smp_weights;
    if (once_in(random, 2)) return cluster_weights;
    Weights weights;
    for (std::uint32_t* weight : {&weights.node, &weights.domain, &weights.whole, &weights.uncached,
                                  &weights.emulated, &weights.unknown})
        *weight = below(random, 100);
    return weights;
}

bool usable(const Node& node, const Request& request) {
    return node.available && node.health != Health::broken && node.image != ImageState::absent &&
           (node.kvm || !request.kvm) && node.free_huge_mb >= request.huge_mb &&
           (!request.whole_nodes || node.free_cpus == node.cpus);
}

// The most CPUs that NODE can give, found by trying.
std::uint32_t most_cpus(const Node& node, const Request& request) {
    if (!usable(node, request) || node.free_memory_mb < request.node_memory_mb) return 0;
    for (std::uint32_t cpus = node.free_cpus; cpus > 0; --cpus) {
        if (cpus % request.granule != 0 || cpus < request.min_cpus_per_node) continue;
        if (request.max_cpus_per_node != 0 && cpus > request.max_cpus_per_node) continue;
        if (cpus * request.cpu_memory_mb <= node.free_memory_mb) return cpus;
    }
    return 0;
}

std::uint64_t price(const std::vector<Node>& nodes, const std::vector<std::uint32_t>& set,
                    const Weights& weights) {
    std::uint32_t largest = 0;
    for (const Node& node : nodes) largest = std::max(largest, node.cpus);
    std::set<std::uint32_t> domains;
    std::uint64_t sum = 0;
    for (const std::uint32_t i : set) {
        const Node& node = nodes[i];
        domains.insert(node.domain);
        sum += weights.node;
        if (node.free_cpus == node.cpus) sum += std::uint64_t{weights.whole} * node.cpus / largest;
        if (node.image != ImageState::cached) sum += weights.uncached;
        if (!node.kvm) sum += weights.emulated;
        if (node.health == Health::unknown) sum += weights.unknown;
    }
    return sum + (domains.size() - 1) * std::uint64_t{weights.domain};
}

bool right_number(std::size_t count, const Request& request) {
    return count >= std::max(request.min_nodes, 1u) &&
           (request.max_nodes == 0 || count <= request.max_nodes);
}

bool has_required(const std::vector<Node>& nodes, const std::vector<std::uint32_t>& set) {
    for (std::uint32_t i = 0; i < nodes.size(); ++i)
        if (nodes[i].required && std::find(set.begin(), set.end(), i) == set.end()) return false;
    return true;
}

bool satisfies(const std::vector<Node>& nodes, const Request& request,
               const std::vector<std::uint32_t>& set) {
    std::uint64_t cpus = 0;
    for (const std::uint32_t i : set) {
        const std::uint32_t some = most_cpus(nodes[i], request);
        if (some == 0) return false;
        cpus += some;
    }
    return cpus >= request.cpus && right_number(set.size(), request) && has_required(nodes, set);
}

constexpr std::uint64_t none = UINT64_MAX;

// The least price of all subsets.
std::uint64_t exhaustive(const std::vector<Node>& nodes, const Request& request,
                         const Weights& weights) {
    std::uint64_t least = none;
    for (std::uint32_t bits = 1; bits < 1u << nodes.size(); ++bits) {
        std::vector<std::uint32_t> set;
        for (std::uint32_t i = 0; i < nodes.size(); ++i)
            if ((bits >> i & 1) != 0) set.push_back(i);
        if (satisfies(nodes, request, set)) least = std::min(least, price(nodes, set, weights));
    }
    return least;
}

void check_shares(const std::vector<Node>& nodes, const Request& request, const Candidate& set) {
    ASSERT_EQ(set.cpus.size(), set.nodes.size());
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < set.nodes.size(); ++i) {
        EXPECT_LE(set.cpus[i], nodes[set.nodes[i]].free_cpus);
        EXPECT_GE(set.cpus[i], 1u);
        sum += set.cpus[i];
    }
    EXPECT_GE(sum, request.cpus);
}

TEST(PlacementProperty, TenThousandRandomRequestsAgainstAllSubsets) {
    Random random(20261123);
    Placer placer;
    Answer answer;
    std::size_t found = 0, optimal = 0;
    for (int round = 0; round < 10'000; ++round) {
        const auto nodes = random_nodes(random, 1 + below(random, 10));
        const auto request = random_request(random, static_cast<std::uint32_t>(nodes.size()));
        const Weights weights = random_weights(random);
        placer.place(nodes, request, weights, answer);
        const std::uint64_t least = exhaustive(nodes, request, weights);
        ASSERT_EQ(answer.any(), least != none) << "round " << round;
        std::uint64_t before = 0;
        for (const Candidate& set : answer.sets()) {
            ASSERT_TRUE(satisfies(nodes, request, set.nodes)) << "round " << round;
            ASSERT_EQ(set.cost, price(nodes, set.nodes, weights)) << "round " << round;
            ASSERT_GE(set.cost, before) << "round " << round;
            check_shares(nodes, request, set);
            before = set.cost;
        }
        if (!answer.any()) continue;
        ++found;
        optimal += answer.candidates[0].cost == least;
        ASSERT_LE(answer.candidates[0].cost * 100, least * 105) << "round " << round;
    }
    EXPECT_GT(found, 3'000u);   // the requests are neither hopeless
    EXPECT_LT(found, 9'500u);   // nor all easy
    EXPECT_EQ(optimal, found);  // small problems are solved exactly
}

// All assignments of the shapes to the nodes.
std::uint64_t exhaustive_restart(const std::vector<Node>& nodes, const Request& request,
                                 const Weights& weights) {
    std::uint64_t least = none;
    std::vector<std::uint32_t> at(request.shapes.size());
    std::vector<std::uint64_t> cpus(nodes.size()), memory(nodes.size());
    const std::function<void(std::size_t)> place = [&](std::size_t vm) {
        if (vm == at.size()) {
            std::set<std::uint32_t> used(at.begin(), at.end());
            const std::vector<std::uint32_t> set(used.begin(), used.end());
            if (right_number(set.size(), request) && has_required(nodes, set))
                least = std::min(least, price(nodes, set, weights));
            return;
        }
        const Shape& shape = request.shapes[vm];
        for (std::uint32_t i = 0; i < nodes.size(); ++i) {
            const std::uint64_t mb = shape.memory_mb + request.vm_overhead_mb;
            if (!usable(nodes[i], request) || cpus[i] + shape.cpus > nodes[i].free_cpus ||
                memory[i] + mb > nodes[i].free_memory_mb)
                continue;
            cpus[i] += shape.cpus, memory[i] += mb;
            at[vm] = i;
            place(vm + 1);
            cpus[i] -= shape.cpus, memory[i] -= mb;
        }
    };
    place(0);
    return least;
}

TEST(PlacementProperty, RandomCheckpointsAgainstAllAssignments) {
    Random random(42);
    Placer placer;
    Answer answer;
    std::size_t found = 0;
    for (int round = 0; round < 2'000; ++round) {
        const auto nodes = random_nodes(random, 1 + below(random, 6));
        Request request;
        request.mode = Mode::restart;
        const bool alike = once_in(random, 3);
        const std::uint32_t vms = 1 + below(random, 5);
        for (std::uint32_t i = 0; i < vms; ++i)
            request.shapes.push_back(alike && i > 0
                                         ? request.shapes[0]
                                         : Shape{1 + below(random, 6), 512u * below(random, 8)});
        request.vm_overhead_mb = once_in(random, 2) ? 128 : 0;
        request.min_nodes = once_in(random, 3) ? 1 + below(random, vms) : 1;
        if (once_in(random, 3)) request.max_nodes = request.min_nodes + below(random, 2);
        const Weights weights = random_weights(random);
        placer.place(nodes, request, weights, answer);
        const std::uint64_t least = exhaustive_restart(nodes, request, weights);
        ASSERT_EQ(answer.any(), least != none) << "round " << round;
        for (const Candidate& set : answer.sets()) {
            ASSERT_TRUE(right_number(set.nodes.size(), request)) << "round " << round;
            ASSERT_TRUE(has_required(nodes, set.nodes)) << "round " << round;
            ASSERT_EQ(set.cost, price(nodes, set.nodes, weights)) << "round " << round;
            ASSERT_EQ(set.vm_node.size(), request.shapes.size());
            std::vector<std::uint64_t> cpus(nodes.size()), memory(nodes.size());
            for (std::size_t vm = 0; vm < set.vm_node.size(); ++vm) {
                const std::uint32_t i = set.vm_node[vm];
                ASSERT_TRUE(std::binary_search(set.nodes.begin(), set.nodes.end(), i));
                ASSERT_TRUE(usable(nodes[i], request));
                cpus[i] += request.shapes[vm].cpus;
                memory[i] += request.shapes[vm].memory_mb + request.vm_overhead_mb;
                ASSERT_LE(cpus[i], nodes[i].free_cpus) << "round " << round;
                ASSERT_LE(memory[i], nodes[i].free_memory_mb) << "round " << round;
            }
            for (const std::uint32_t i : set.nodes) ASSERT_GT(cpus[i], 0u);
        }
        if (!answer.any()) continue;
        ++found;
        ASSERT_LE(answer.candidates[0].cost * 100, least * 105) << "round " << round;
    }
    EXPECT_GT(found, 500u);
}

// Exact for more nodes than all subsets can be tried of: for each union of domains the least price
// by number of nodes and CPUs, the price of its domains added.
std::uint64_t exact_by_tables(const std::vector<Node>& nodes, const Request& request,
                              const Weights& weights, std::uint32_t domains) {
    const std::uint32_t most_nodes = request.max_nodes;
    std::uint64_t least = none;
    for (std::uint32_t chosen = 1; chosen < 1u << domains; ++chosen) {
        std::vector<std::vector<std::uint64_t>> table(
            most_nodes + 1, std::vector<std::uint64_t>(request.cpus + 1, none));
        table[0][0] = 0;
        for (std::uint32_t i = 0; i < nodes.size(); ++i) {
            const std::uint32_t cpus = most_cpus(nodes[i], request);
            if (cpus == 0 || (chosen >> nodes[i].domain & 1) == 0) continue;
            const std::uint64_t its = price(nodes, {i}, weights);
            for (std::uint32_t n = most_nodes; n > 0; --n)
                for (std::uint32_t have = 0; have <= request.cpus; ++have) {
                    if (table[n - 1][have] == none) continue;
                    auto& there = table[n][std::min(have + cpus, request.cpus)];
                    there = std::min(there, table[n - 1][have] + its);
                }
        }
        for (std::uint32_t n = std::max(request.min_nodes, 1u); n <= most_nodes; ++n)
            if (table[n][request.cpus] != none)
                least = std::min<std::uint64_t>(
                    least, table[n][request.cpus] +
                               std::uint64_t{weights.domain} * (__builtin_popcount(chosen) - 1u));
    }
    return least;
}

TEST(PlacementProperty, AHundredNodesInTenDomainsStayWithinFivePercent) {
    Random random(7);
    Placer placer;
    Answer answer;
    std::size_t found = 0, optimal = 0;
    for (int round = 0; round < 40; ++round) {
        auto nodes = random_nodes(random, 100);
        for (Node& node : nodes) {
            node.domain = below(random, 10);
            node.required = false;
        }
        Request request = random_request(random, 12);
        request.cpus = 10 + below(random, 50);
        request.max_nodes = request.min_nodes + 1 + below(random, 8);
        const Weights weights = random_weights(random);
        placer.place(nodes, request, weights, answer);
        const std::uint64_t least = exact_by_tables(nodes, request, weights, 10);
        ASSERT_EQ(answer.any(), least != none) << "round " << round;
        if (!answer.any()) continue;
        ++found;
        ASSERT_TRUE(satisfies(nodes, request, answer.candidates[0].nodes));
        ASSERT_GE(answer.candidates[0].cost, least) << "round " << round;
        ASSERT_LE(answer.candidates[0].cost * 100, least * 105) << "round " << round;
        optimal += answer.candidates[0].cost == least;
    }
    EXPECT_GT(found, 15u);
    EXPECT_GT(optimal * 10, found * 9);
}

TEST(PlacementProperty, FiveThousandNodesGetSetsThatSatisfyTheRequest) {
    Random random(3);
    Placer placer;
    Answer answer;
    for (int round = 0; round < 50; ++round) {
        auto nodes = random_nodes(random, 5'000);
        for (Node& node : nodes) {
            node.domain = below(random, 160);
            node.required = false;
        }
        Request request = random_request(random, 300);
        request.cpus = 1 + below(random, 4'000);
        placer.place(nodes, request, random_weights(random), answer);
        for (const Candidate& set : answer.sets())
            ASSERT_TRUE(satisfies(nodes, request, set.nodes)) << "round " << round;
    }
}

}  // namespace
}  // namespace holon::placement
