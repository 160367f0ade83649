// SPDX-License-Identifier: GPL-2.0-or-later
// One case for each rule of select/placement, and each edge.
#include "select/placement/placement.h"

#include <gmock/gmock.h>

namespace holon::placement {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Node free_node(std::uint32_t cpus, std::uint32_t domain = 0) {
    Node node;
    node.cpus = node.free_cpus = cpus;
    node.memory_mb = node.free_memory_mb = 64 * 1024;
    node.domain = domain;
    return node;
}

Node fragment(std::uint32_t free_cpus, std::uint32_t cpus, std::uint32_t domain = 0) {
    Node node = free_node(cpus, domain);
    node.free_cpus = free_cpus;
    return node;
}

Request smp(std::uint32_t cpus) {
    Request request;
    request.mode = Mode::smp;
    request.cpus = cpus;
    return request;
}

Request cluster(std::uint32_t nodes, std::uint32_t cpus_each = 1) {
    Request request;
    request.cpus = nodes * cpus_each;
    request.min_nodes = request.max_nodes = nodes;
    request.min_cpus_per_node = cpus_each;
    return request;
}

Request restart(std::vector<Shape> shapes) {
    Request request;
    request.mode = Mode::restart;
    request.shapes = std::move(shapes);
    return request;
}

Answer ask(const std::vector<Node>& nodes, const Request& request, std::size_t most = 4) {
    Placer placer;
    Answer answer;
    placer.place(nodes, request, request.mode == Mode::cluster ? cluster_weights : smp_weights,
                 answer, most);
    return answer;
}

// The best set; empty where there is none.
std::vector<std::uint32_t> best(const std::vector<Node>& nodes, const Request& request) {
    const Answer answer = ask(nodes, request);
    return answer.any() ? answer.candidates.front().nodes : std::vector<std::uint32_t>{};
}

// --- virtual SMP

TEST(SmpPlacement, GathersCpusFromFragments) {
    const std::vector<Node> nodes{fragment(3, 8), fragment(5, 8), fragment(1, 8), fragment(6, 8)};
    const Answer answer = ask(nodes, smp(15));
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].nodes, ElementsAre(0, 1, 2, 3));
    EXPECT_THAT(answer.candidates[0].cpus, ElementsAre(3, 5, 1, 6));
}

TEST(SmpPlacement, TakesFewestNodes) {
    EXPECT_THAT(best({fragment(3, 8), fragment(5, 8), fragment(1, 8), fragment(6, 8)}, smp(11)),
                ElementsAre(1, 3));
}

TEST(SmpPlacement, PutsFewNodesBeforeOneDomain) {
    EXPECT_THAT(best({fragment(4, 8, 1), fragment(4, 8, 1), fragment(4, 8, 1), fragment(6, 8, 2),
                      fragment(6, 8, 3)},
                     smp(12)),
                ElementsAre(3, 4));
}

TEST(SmpPlacement, PrefersOneDomainAmongSetsOfAsManyNodes) {
    EXPECT_THAT(
        best({fragment(6, 8, 1), fragment(6, 8, 2), fragment(5, 8, 3), fragment(5, 8, 3)}, smp(10)),
        ElementsAre(2, 3));
}

TEST(SmpPlacement, TakesFragmentsBeforeWholeNodes) {
    EXPECT_THAT(best({free_node(8), fragment(7, 16), fragment(6, 16), free_node(8)}, smp(13)),
                ElementsAre(1, 2));
}

TEST(SmpPlacement, BreaksIntoTheSmallestWholeNodeThatDoes) {
    EXPECT_THAT(best({free_node(32), free_node(16), free_node(64)}, smp(12)), ElementsAre(1));
}

TEST(SmpPlacement, LeavesTheLargestFragmentWhereASmallerOneDoes) {
    EXPECT_THAT(best({fragment(14, 16), fragment(9, 16), fragment(5, 16)}, smp(8)), ElementsAre(1));
}

TEST(SmpPlacement, GoesOverDomainsWhereNoneIsLargeEnough) {
    const Answer answer = ask({free_node(8, 1), free_node(8, 2), free_node(8, 3)}, smp(20));
    ASSERT_TRUE(answer.any());
    EXPECT_EQ(answer.candidates[0].domains, 3u);
}

TEST(SmpPlacement, TakesAsFewDomainsAsCanBeWhereOneDoesNotDo) {
    std::vector<Node> nodes;
    for (std::uint32_t domain : {1, 2, 3, 4, 4, 5, 5, 6}) nodes.push_back(free_node(8, domain));
    const Answer answer = ask(nodes, smp(32));
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].nodes, ElementsAre(3, 4, 5, 6));
    EXPECT_EQ(answer.candidates[0].domains, 2u);
}

TEST(SmpPlacement, KeepsTheLimitOfNodes) {
    Request request = smp(15);
    request.max_nodes = 3;
    const std::vector<Node> nodes{fragment(3, 8), fragment(5, 8), fragment(1, 8), fragment(6, 8)};
    EXPECT_THAT(best(nodes, request), IsEmpty());
    request.max_nodes = 4;
    EXPECT_EQ(best(nodes, request).size(), 4u);
}

TEST(SmpPlacement, SpreadsOverTheLeastNumberOfNodesThatIsWanted) {
    Request request = smp(4);
    request.min_nodes = 3;
    EXPECT_EQ(best({free_node(8), free_node(8), free_node(8), free_node(8)}, request).size(), 3u);
}

TEST(SmpPlacement, CountsOnlyTheCpusThatHaveTheirMemory) {
    Request request = smp(12);
    request.cpu_memory_mb = 1024;
    std::vector<Node> nodes{free_node(8), free_node(8), free_node(4)};
    EXPECT_THAT(best(nodes, request), ElementsAre(0, 2));
    nodes[0].free_memory_mb = 2 * 1024;
    EXPECT_THAT(best(nodes, request), ElementsAre(1, 2));
}

TEST(SmpPlacement, GivesCpusInMultiplesOfATasksCpus) {
    Request request = smp(8);
    request.granule = 4;
    EXPECT_THAT(best({fragment(7, 8), fragment(3, 8), fragment(5, 8)}, request), ElementsAre(0, 2));
}

TEST(SmpPlacement, PrefersNodesWithAnAccelerator) {
    std::vector<Node> nodes{fragment(8, 16), fragment(8, 16), fragment(8, 16)};
    nodes[0].kvm = nodes[1].kvm = false;
    EXPECT_THAT(best(nodes, smp(8)), ElementsAre(2));
}

// --- virtual cluster

TEST(ClusterPlacement, PrefersOneDomainToNodesWithTheImage) {
    std::vector<Node> nodes{free_node(8, 1), free_node(8, 2), free_node(8, 3), free_node(8, 3)};
    nodes[2].image = nodes[3].image = ImageState::present;
    EXPECT_THAT(best(nodes, cluster(2)), ElementsAre(2, 3));
}

TEST(ClusterPlacement, PrefersNodesWithTheImageInTheirCache) {
    std::vector<Node> nodes{free_node(8), free_node(8), free_node(8), free_node(8)};
    nodes[0].image = nodes[2].image = ImageState::present;
    EXPECT_THAT(best(nodes, cluster(2)), ElementsAre(1, 3));
}

TEST(ClusterPlacement, PrefersTheDomainWithMoreCachedImages) {
    std::vector<Node> nodes{free_node(8, 1), free_node(8, 1), free_node(8, 2), free_node(8, 2)};
    nodes[0].image = nodes[1].image = nodes[2].image = ImageState::present;
    EXPECT_THAT(best(nodes, cluster(2)), ElementsAre(2, 3));
}

TEST(ClusterPlacement, WantsEachNodesCpusOnEachNode) {
    EXPECT_THAT(best({fragment(3, 8), fragment(4, 8), fragment(8, 8)}, cluster(2, 4)),
                ElementsAre(1, 2));
}

TEST(ClusterPlacement, FindsTheTotalOnAFixedNumberOfNodes) {
    Request request = cluster(2);
    request.cpus = 14;
    EXPECT_THAT(best({fragment(6, 8), fragment(5, 8), free_node(8), fragment(7, 8)}, request),
                ElementsAre(0, 2));
    request.cpus = 16;
    EXPECT_THAT(best({fragment(6, 8), fragment(5, 8), free_node(8), fragment(7, 8)}, request),
                IsEmpty());
}

TEST(ClusterPlacement, TakesOnlyWhollyFreeNodesForAnExclusiveJob) {
    Request request = cluster(1);
    request.whole_nodes = true;
    const Answer answer = ask({fragment(7, 8), free_node(8)}, request);
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].nodes, ElementsAre(1));
    EXPECT_THAT(answer.candidates[0].cpus, ElementsAre(8));
}

// --- eligibility

TEST(Placement, NeverTakesANodeWithABrokenVmLayer) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].health = Health::broken;
    EXPECT_THAT(best(nodes, cluster(1)), ElementsAre(1));
    EXPECT_THAT(best(nodes, cluster(2)), IsEmpty());
}

TEST(Placement, TakesNodesThatNothingIsKnownOfOnlyWhereOthersDoNotDo) {
    std::vector<Node> nodes{free_node(8, 1), free_node(8, 1), free_node(8, 2)};
    nodes[0].health = Health::unknown;
    EXPECT_THAT(best(nodes, cluster(2)), ElementsAre(1, 2));
    EXPECT_THAT(best(nodes, cluster(3)), ElementsAre(0, 1, 2));
}

TEST(Placement, NeverTakesANodeWithoutTheImage) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[1].image = ImageState::absent;
    EXPECT_THAT(best(nodes, cluster(2)), IsEmpty());
    EXPECT_EQ(ask(nodes, cluster(2)).refused.image, 1u);
}

TEST(Placement, TakesOnlyAcceleratedNodesWhereTheSiteSaysSo) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].kvm = false;
    Request request = cluster(1);
    request.kvm = true;
    EXPECT_THAT(best(nodes, request), ElementsAre(1));
}

TEST(Placement, TakesOnlyNodesWithEnoughHugePages) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[1].free_huge_mb = 4096;
    Request request = cluster(1);
    request.huge_mb = 4096;
    EXPECT_THAT(best(nodes, request), ElementsAre(1));
}

TEST(Placement, TakesOnlyNodesWithEnoughMemory) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].free_memory_mb = 1000;
    Request request = cluster(1);
    request.node_memory_mb = 1001;
    EXPECT_THAT(best(nodes, request), ElementsAre(1));
}

TEST(Placement, HasTheRequiredNodesInEverySet) {
    std::vector<Node> nodes{free_node(8, 1), free_node(8, 2), free_node(8, 2), free_node(8, 1)};
    nodes[3].required = true;
    const Answer answer = ask(nodes, cluster(2));
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].nodes, ElementsAre(0, 3));
    for (const Candidate& set : answer.sets()) EXPECT_THAT(set.nodes, testing::Contains(3u));
}

TEST(Placement, HasNoSetWhereARequiredNodeCannotTakeTheJob) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].required = true;
    nodes[0].health = Health::broken;
    const Answer answer = ask(nodes, cluster(1));
    EXPECT_FALSE(answer.any());
    EXPECT_TRUE(answer.required_refused);
}

TEST(Placement, HasNoSetWhereMoreNodesAreRequiredThanAreAllowed) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].required = nodes[1].required = true;
    EXPECT_THAT(best(nodes, cluster(1)), IsEmpty());
}

TEST(Placement, IsDoneWithTheRequiredNodesWhereTheyAreEnough) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[1].required = true;
    EXPECT_THAT(best(nodes, smp(8)), ElementsAre(1));
}

TEST(Placement, LeavesUnavailableNodesAlone) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].available = false;
    EXPECT_THAT(best(nodes, cluster(1)), ElementsAre(1));
}

TEST(Placement, HasNoSetWithoutNodes) {
    EXPECT_FALSE(ask({}, smp(1)).any());
    EXPECT_FALSE(ask({}, cluster(1)).any());
    EXPECT_FALSE(ask({}, restart({{1, 64}})).any());
}

TEST(Placement, HasNoSetWhereTheLimitIsBelowTheLeast) {
    Request request = smp(4);
    request.min_nodes = 3;
    request.max_nodes = 2;
    EXPECT_FALSE(ask({free_node(8), free_node(8), free_node(8)}, request).any());
}

TEST(Placement, CountsMemoryThatSlurmDoesNotManageAsUnlimited) {
    Node node;
    node.cpus = node.free_cpus = 4;
    Request request = cluster(1);
    request.node_memory_mb = 1 << 30;
    EXPECT_THAT(best({node}, request), ElementsAre(0));
}

TEST(Placement, OffersTheNextBestSetsAfterTheBest) {
    const Answer answer =
        ask({free_node(8, 1), free_node(8, 1), free_node(8, 2), free_node(8, 2)}, cluster(2), 2);
    ASSERT_EQ(answer.count, 2u);
    EXPECT_NE(answer.candidates[0].nodes, answer.candidates[1].nodes);
    EXPECT_LE(answer.candidates[0].cost, answer.candidates[1].cost);
}

TEST(Placement, OffersNoMoreSetsThanAreWanted) {
    std::vector<Node> nodes;
    for (std::uint32_t i = 0; i < 32; ++i) nodes.push_back(free_node(8, i / 2));
    EXPECT_EQ(ask(nodes, cluster(2), 3).count, 3u);
    EXPECT_EQ(ask(nodes, cluster(2), 1).count, 1u);
}

TEST(Placement, AnswersTheSameWhenItIsAskedAgain) {
    Placer placer;
    Answer first, second;
    const std::vector<Node> nodes{fragment(3, 8), fragment(5, 8), fragment(1, 8), fragment(6, 8)};
    const Request request = smp(11);
    placer.place(nodes, request, smp_weights, first);
    placer.place(nodes, cluster(3), cluster_weights, second);
    placer.place(nodes, request, smp_weights, second);
    ASSERT_EQ(first.count, second.count);
    EXPECT_EQ(first.candidates[0].nodes, second.candidates[0].nodes);
}

TEST(Placement, TakesTheWeightsItIsGiven) {
    const std::vector<Node> nodes{fragment(4, 8, 1), fragment(4, 8, 1), fragment(4, 8, 1),
                                  fragment(6, 8, 2), fragment(6, 8, 3)};
    Placer placer;
    Answer answer;
    placer.place(nodes, smp(12), {.node = 1, .domain = 100}, answer);
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].nodes, ElementsAre(0, 1, 2));
}

// --- restart from a checkpoint

TEST(RestartPlacement, PutsSeveralSavedVmsOnOneNode) {
    const Answer answer = ask({fragment(4, 8), free_node(8), fragment(2, 8)},
                              restart({{2, 512}, {2, 512}, {2, 512}}));
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].nodes, ElementsAre(1));
    EXPECT_THAT(answer.candidates[0].vm_node, ElementsAre(1, 1, 1));
}

TEST(RestartPlacement, PacksVmsOfDifferentShapes) {
    const Answer answer = ask({fragment(5, 8), fragment(4, 8), fragment(3, 8)},
                              restart({{2, 512}, {4, 512}, {3, 512}}));
    ASSERT_TRUE(answer.any());
    EXPECT_THAT(answer.candidates[0].vm_node, ElementsAre(0, 1, 0));
    EXPECT_THAT(answer.candidates[0].cpus, ElementsAre(5, 4));
}

TEST(RestartPlacement, NeverDividesAVm) {
    EXPECT_THAT(best({fragment(3, 8), fragment(3, 8)}, restart({{4, 512}})), IsEmpty());
    EXPECT_THAT(best({fragment(3, 8), fragment(3, 8)}, restart({{2, 512}, {2, 512}, {2, 512}})),
                IsEmpty());
}

TEST(RestartPlacement, CountsTheOverheadOfEachVm) {
    std::vector<Node> nodes{free_node(8)};
    nodes[0].free_memory_mb = 2048;
    Request request = restart({{1, 1000}, {1, 1000}});
    EXPECT_THAT(best(nodes, request), ElementsAre(0));
    request.vm_overhead_mb = 25;
    EXPECT_THAT(best(nodes, request), IsEmpty());
}

TEST(RestartPlacement, CountsTheMemoryOfDifferentVms) {
    std::vector<Node> nodes{free_node(8), free_node(8)};
    nodes[0].free_memory_mb = nodes[1].free_memory_mb = 3000;
    EXPECT_EQ(best(nodes, restart({{1, 1000}, {1, 2500}})).size(), 2u);
}

TEST(RestartPlacement, KeepsTheNumberOfNodesThatIsWanted) {
    Request request = restart({{1, 64}, {1, 64}, {2, 64}});
    request.min_nodes = request.max_nodes = 3;
    EXPECT_EQ(best({free_node(8), free_node(8), free_node(8)}, request).size(), 3u);
    request.shapes = {{1, 64}, {1, 64}, {1, 64}};
    EXPECT_EQ(best({free_node(8), free_node(8), free_node(8)}, request).size(), 3u);
}

TEST(RestartPlacement, PrefersOneDomainAmongAsManyNodes) {
    EXPECT_THAT(best({fragment(4, 8, 1), fragment(4, 8, 2), fragment(4, 8, 2)},
                     restart({{4, 64}, {3, 64}})),
                ElementsAre(1, 2));
}

// --- explanations

std::string name_of(const void*, std::uint32_t node) { return "n" + std::to_string(node + 1); }

TEST(Placement, SaysWhatItChoseAndWhy) {
    const Request request = smp(11);
    const Answer answer = ask({fragment(3, 8), fragment(5, 8), fragment(6, 8)}, request);
    ASSERT_TRUE(answer.any());
    EXPECT_EQ(explain(answer.candidates[0], request, name_of, nullptr),
              "2 nodes: n2 5, n3 6 CPUs; one latency domain; no free node is broken into; the "
              "image is ready on all");
}

TEST(Placement, SaysWhyThereIsNoSet) {
    std::vector<Node> nodes{free_node(8), free_node(8), free_node(8)};
    nodes[0].health = Health::broken;
    nodes[1].image = ImageState::absent;
    const Request request = smp(9);
    EXPECT_EQ(explain_none(ask(nodes, request), request),
              "1 node for 9 CPUs, with 8 CPUs; not considered: 1 with a broken VM layer, 1 without "
              "the image");
}

}  // namespace
}  // namespace holon::placement
