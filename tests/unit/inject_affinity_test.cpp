// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/affinity.h"

#include <gtest/gtest.h>

namespace holon::ssi {
namespace {

KernelCpus cpus(std::initializer_list<unsigned> numbers) {
    KernelCpus set{};
    for (const unsigned number : numbers) set.add(number);
    return set;
}

TEST(Affinity, TheCpusOfAllNodesAreNumberedNodeByNode) {
    const auto all = inject::all_cpus({{2, true}, {3, true}});
    EXPECT_EQ(all.total, 5u);
    EXPECT_EQ(all.mask.count(), 5u);
    EXPECT_TRUE(all.mask.has(4));
    EXPECT_FALSE(all.mask.has(5));
}

TEST(Affinity, ANodeThatIsDownKeepsItsNumbersAndHasNoCpus) {
    const auto all = inject::all_cpus({{2, true}, {3, false}, {1, true}});
    EXPECT_EQ(all.total, 6u);
    EXPECT_EQ(all.mask.count(), 3u);
    EXPECT_FALSE(all.mask.has(2));
    EXPECT_TRUE(all.mask.has(5));
}

TEST(Affinity, ThePartOfANodeCountsFromItsFirstCpu) {
    CpuMask mask{};
    mask.add(1);
    mask.add(4);
    EXPECT_EQ(part_of(mask, 0, 2), cpus({1}));
    EXPECT_EQ(part_of(mask, 2, 3), cpus({2}));
    EXPECT_FALSE(part_of(mask, 5, 2).any());
}

TEST(Affinity, ANodesCpusAreThoseItsDaemonMayUseInAscendingOrder) {
    EXPECT_EQ(on_kernel(cpus({1}), 2, cpus({4, 7})), cpus({7}));
    EXPECT_EQ(on_kernel(cpus({0, 1}), 2, cpus({4, 7})), cpus({4, 7}));
}

TEST(Affinity, MoreCpusThanTheKernelHasBeginAgainWithItsFirst) {
    EXPECT_EQ(on_kernel(cpus({2}), 4, cpus({4, 7})), cpus({4}));
    EXPECT_EQ(on_kernel(cpus({3}), 4, cpus({4, 7})), cpus({7}));
}

TEST(Affinity, AnEmptyPartIsBoundToNothing) {
    EXPECT_EQ(on_kernel(cpus({}), 2, cpus({4, 7})), cpus({4, 7}));
}

TEST(Affinity, RoomForFewerCpusThanThereAreIsRefused) {
    EXPECT_EQ(affinity_bytes(65, 8), 0u);
    EXPECT_EQ(affinity_bytes(64, 8), 8u);
}

TEST(Affinity, RoomThatIsNotWholeWordsIsRefused) { EXPECT_EQ(affinity_bytes(2, 12), 0u); }

TEST(Affinity, MoreRoomThanNeededIsLeftAsItIs) { EXPECT_EQ(affinity_bytes(70, 1024), 16u); }

}  // namespace
}  // namespace holon::ssi
