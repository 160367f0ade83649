// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "plugins/controller/registry.h"
#include "plugins/controller/slurm_nodes.h"
#include "plugins/os/slurm.h"

namespace holon::controller {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::int64_t heartbeat = 10;

site::NodeReport node(const std::string& name, const std::string& reason = "") {
    site::NodeReport report;
    report.name = name;
    report.healthy = reason.empty();
    report.reason = reason;
    return report;
}

TEST(Registry, KnowsWhatNodesReport) {
    Registry registry(heartbeat, 100);
    EXPECT_TRUE(registry.report(node("n1"), 101));
    const auto snapshot = registry.snapshot(102);
    EXPECT_EQ(snapshot.time, 102);
    ASSERT_EQ(snapshot.nodes.size(), 1u);
    EXPECT_TRUE(snapshot.nodes[0].healthy);
}

TEST(Registry, AMereSignOfLifeChangesNothing) {
    Registry registry(heartbeat, 100);
    registry.report(node("n1"), 101);
    EXPECT_FALSE(registry.report(node("n1"), 105));
    EXPECT_TRUE(registry.report(node("n1", "no libvirt"), 106));
}

TEST(Registry, ANodeThatLeavesOutFourReportsIsBroken) {
    Registry registry(heartbeat, 100);
    registry.report(node("n1"), 100);
    registry.tick(100);
    registry.tick(135);
    EXPECT_TRUE(registry.snapshot(135).nodes[0].healthy);
    EXPECT_TRUE(registry.tick(141));
    EXPECT_FALSE(registry.snapshot(141).nodes[0].healthy);
    EXPECT_THAT(registry.comments()["n1"], HasSubstr("holon: no VM jobs here: holond is silent"));
}

TEST(Registry, ASilentNodeIsGoodAgainWithItsNextReport) {
    Registry registry(heartbeat, 100);
    registry.report(node("n1"), 100);
    registry.tick(200);
    EXPECT_TRUE(registry.report(node("n1"), 201));
    EXPECT_EQ(registry.comments()["n1"], "");
}

TEST(Registry, IsSettledAfterThreeHeartbeats) {
    Registry registry(heartbeat, 100);
    registry.tick(129);
    EXPECT_FALSE(registry.snapshot(129).settled);
    EXPECT_TRUE(registry.tick(130));
    EXPECT_TRUE(registry.snapshot(130).settled);
}

TEST(Registry, ARestartOfTheControllersDaemonBreaksNoNode) {
    Registry before(heartbeat, 100);
    before.report(node("n1"), 100);
    before.report(node("n2", "no libvirt"), 100);
    before.tick(500);  // both are silent
    Registry after(heartbeat, 1000);
    after.restore(before.snapshot(500), 1000);
    after.tick(1000);
    const auto nodes = after.snapshot(1000).nodes;
    ASSERT_EQ(nodes.size(), 2u);
    EXPECT_TRUE(nodes[0].healthy);
}

TEST(Registry, KeepsTheNewestCheckpointOfAJobUntilItIsGone) {
    Registry registry(heartbeat, 100);
    site::CheckpointReport checkpoint{42, "a", false, "tiny", {{2, 512}}, 1000, "/c/42"};
    EXPECT_TRUE(registry.report(checkpoint));
    EXPECT_FALSE(registry.report(checkpoint));
    checkpoint.id = "b";
    EXPECT_TRUE(registry.report(checkpoint));
    ASSERT_EQ(registry.snapshot(100).checkpoints.size(), 1u);
    EXPECT_EQ(registry.snapshot(100).checkpoints[0].id, "b");
    checkpoint.shapes.clear();
    EXPECT_TRUE(registry.report(checkpoint));
    EXPECT_THAT(registry.snapshot(100).checkpoints, IsEmpty());
}

std::string column(std::string text, std::size_t width) {
    text.resize(width, ' ');
    return text;
}

TEST(SlurmNodes, AreReadFromSinfosColumns) {
    const auto nodes = parse_nodes(
        column("n1", 256) + column("10.0.0.1", 256) + column("out of order, see ticket", 512) +
        "\n" + column("n2", 256) + column("n2", 256) + column("(null)", 512) + "\n");
    ASSERT_EQ(nodes.size(), 2u);
    EXPECT_EQ(nodes.at("n1").address, "10.0.0.1");
    EXPECT_EQ(nodes.at("n1").comment, "out of order, see ticket");
    EXPECT_EQ(nodes.at("n2").comment, "");
}

TEST(SlurmNodes, OnlyEmptyCommentsAndHolonsOwnAreChanged) {
    const SlurmNodes nodes{{"n1", {"", ""}},
                           {"n2", {"", "holon: no VM jobs here: x"}},
                           {"n3", {"", "rented out"}},
                           {"n4", {"", ""}}};
    EXPECT_THAT(
        comments_to_set(
            nodes,
            {{"n1", "holon: y"}, {"n2", ""}, {"n3", "holon: y"}, {"n4", ""}, {"gone", "holon: y"}}),
        ElementsAre(Pair("n1", "holon: y"), Pair("n2", "")));
}

TEST(SlurmConfiguration, SaysWhichPartitionsArePreempted) {
    const std::string config =
        "Configuration data as of 2026-11-23T09:00:00\nJobFileAppend           = 1\n"
        "PreemptMode             = REQUEUE\nPreemptParameters       = send_user_signal,x\n"
        "PreemptType             = preempt/partition_prio\n";
    const std::string partitions =
        "PartitionName=low AllowGroups=ALL Default=YES GraceTime=120 Hidden=NO "
        "PreemptMode=REQUEUE\n"
        "PartitionName=high AllowGroups=ALL GraceTime=0 Hidden=NO PreemptMode=OFF\n";
    const auto report = parse_slurm(config, partitions);
    EXPECT_TRUE(report.user_signal);
    EXPECT_TRUE(report.append_by_default);
    EXPECT_THAT(report.partitions, ElementsAre(site::PartitionReport{"low", 120, true},
                                               site::PartitionReport{"high", 0, false}));
    EXPECT_TRUE(
        parse_slurm("SlurmctldParameters     = idle_on_node_suspend,preempt_send_user_signal\n",
                    partitions)
            .user_signal);  // of Slurm 22.05
    const auto none =
        parse_slurm("PreemptType = preempt/none\nPreemptParameters = (null)\n", partitions);
    EXPECT_FALSE(none.user_signal);
    EXPECT_FALSE(none.append_by_default);
    EXPECT_FALSE(none.partitions[0].preempted);
}

TEST(ControllerHosts, AreReadFromSlurmsConfiguration) {
    EXPECT_THAT(os::controller_hosts("SlurmUser = slurm(64030)\nSlurmctldHost[0]        = ctl\n"
                                     "SlurmctldHost[1]        = spare(10.0.0.2)\n"),
                ElementsAre("ctl", "10.0.0.2"));
}

}  // namespace
}  // namespace holon::controller
