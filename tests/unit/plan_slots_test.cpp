// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/plan/slots.h"

#include <gmock/gmock.h>

#include <random>

#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

namespace holon::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Sizing sizing{100, 512, "10.77.0.0/16"};

spec::Spec restart_of(std::vector<spec::Shape> vms) {
    spec::Spec spec;
    spec.image = "tiny";
    spec.vm_count = static_cast<std::uint32_t>(vms.size());
    spec.restart = spec::Restart{41, 0, "/c/41", std::move(vms)};
    return spec;
}

std::vector<std::string> nodes_of(const Plan& plan) {
    std::vector<std::string> nodes;
    for (const Vm& vm : plan.vms) nodes.push_back(vm.node);
    return nodes;
}

std::string line(const spec::Spec& spec, const std::vector<NodeShare>& allocation) {
    try {
        make(spec, allocation, {42, 1}, sizing);
        return "";
    } catch (const Error& error) {
        return error.what();
    }
}

TEST(Slots, EqualVmsHaveOneEach) {
    const Slots slots = make_slots({{2, 512}, {2, 512}, {2, 512}}, 100);
    EXPECT_EQ(slots.cpus, 2u);
    EXPECT_EQ(slots.memory_mb, 612u);
    EXPECT_EQ(slots.cpu_memory_mb(), 306u);
    EXPECT_THAT(slots.vms, ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2)));
}

TEST(Slots, SmallVmsShareOne) {
    const Slots slots = make_slots({{1, 100}, {5, 500}, {3, 300}, {6, 600}}, 10);
    EXPECT_EQ(slots.cpus, 6u);
    EXPECT_EQ(slots.memory_mb, 620u);
    EXPECT_THAT(slots.vms, ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3)));
}

TEST(Slots, HoldEveryVmOnceAndNoneIsTooFull) {
    std::mt19937 random(1);
    for (int round = 0; round < 1000; ++round) {
        std::vector<spec::Shape> shapes(1 + random() % 40);
        for (auto& shape : shapes)
            shape = {static_cast<std::uint32_t>(1 + random() % 16), random() % 4096};
        const Slots slots = make_slots(shapes, 64);
        std::vector<int> seen(shapes.size());
        for (const auto& vms : slots.vms) {
            std::uint64_t cpus = 0, memory = 0;
            for (const auto vm : vms) {
                ++seen[vm];
                cpus += shapes[vm].cpus;
                memory += shapes[vm].memory_mb + 64;
            }
            ASSERT_FALSE(vms.empty());
            ASSERT_LE(cpus, slots.cpus);
            ASSERT_LE(memory, slots.memory_mb);
            ASSERT_LE(memory, slots.cpu_memory_mb() * slots.cpus);
        }
        for (const int count : seen) ASSERT_EQ(count, 1);
        ASSERT_EQ(slots.vms.front().front(), 0u);
    }
}

TEST(RestartPlan, SeveralVmsShareANode) {
    const Plan plan = make(restart_of({{2, 512}, {2, 256}, {2, 512}}), {{"n2", 4, 0}, {"n3", 2, 0}},
                           {42, 1}, sizing);
    EXPECT_THAT(nodes_of(plan), ElementsAre("n2", "n2", "n3"));
    EXPECT_EQ(plan.vms[1].memory_mb, 256u);
    EXPECT_EQ(plan.vms[2].cpus, 2u);
    EXPECT_EQ(plan.vms[2].address, "10.77.0.3");
    EXPECT_EQ(plan.job.restart, 1u);
}

TEST(RestartPlan, EachNodeOfTheAllocationHasAVm) {
    const Plan plan = make(restart_of({{2, 512}, {2, 512}, {2, 512}}), {{"n1", 8, 0}, {"n2", 2, 0}},
                           {42, 1}, sizing);
    EXPECT_THAT(nodes_of(plan), ElementsAre("n1", "n1", "n2"));
}

TEST(RestartPlan, TheFirstVmIsOnTheFirstNodeAlsoWhereItIsSmall) {
    const Plan plan = make(restart_of({{1, 100}, {4, 400}, {4, 400}, {3, 300}}),
                           {{"n1", 4, 0}, {"n2", 8, 0}}, {42, 1}, sizing);
    EXPECT_THAT(nodes_of(plan), ElementsAre("n1", "n2", "n2", "n1"));
    EXPECT_EQ(vm_for_task(plan, "n1", 0, 1).index, 0u);
    EXPECT_EQ(vm_for_task(plan, "n1", 1, 2).index, 3u);
}

// A requeued job asks for what it asked for the first time: 15 CPUs, now in other pieces.
TEST(RestartPlan, OtherPiecesOfAsManyCpusDoWhereTheVmsFitThem) {
    const auto spec = restart_of({{3, 100}, {5, 100}, {1, 100}, {6, 100}});
    EXPECT_THAT(nodes_of(make(spec, {{"n1", 8, 0}, {"n2", 7, 0}}, {42, 1}, sizing)),
                ElementsAre("n1", "n1", "n2", "n2"));
    EXPECT_THAT(nodes_of(make(spec, {{"n1", 3, 0}, {"n2", 5, 0}, {"n3", 1, 0}, {"n4", 6, 0}},
                              {42, 1}, sizing)),
                ElementsAre("n1", "n2", "n3", "n4"));
    EXPECT_THAT(line(spec, {{"n1", 9, 0}, {"n2", 6, 0}}), testing::IsEmpty());
    EXPECT_THAT(line(spec, {{"n1", 2, 0}, {"n2", 13, 0}}), HasSubstr("do not fit"));
}

TEST(RestartPlan, SaysWhereTheAllocationCannotHoldIt) {
    const auto spec = restart_of({{4, 512}, {4, 512}});
    EXPECT_THAT(line(spec, {{"n1", 3, 0}, {"n2", 5, 0}}), HasSubstr("(n1: 3, n2: 5)"));
    EXPECT_THAT(line(spec, {{"n1", 4, 0}}), HasSubstr("2 slots of 4 CPUs"));
    EXPECT_THAT(line(spec, {{"n1", 8, 0}, {"n2", 8, 0}, {"n3", 8, 0}}), HasSubstr("do not fit"));
    EXPECT_THAT(line(spec, {{"n1", 4, 500}, {"n2", 4, 0}}), HasSubstr("need 612 MiB"));
}

}  // namespace
}  // namespace holon::plan
