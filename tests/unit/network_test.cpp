// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/network/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/network/batch.h"
#include "plugins/os/error.h"

namespace holon::network {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

plan::Plan three_nodes() {
    plan::Plan plan;
    plan.job = {42, 1};
    plan.vni = 42;
    for (std::uint32_t i = 0; i < 3; ++i) {
        plan::Vm vm;
        vm.index = i;
        vm.name = "vm" + std::to_string(i);
        vm.node = "n" + std::to_string(i + 1);
        vm.mac = "02:00:00:2a:00:0" + std::to_string(i);
        vm.address = "10.77.0." + std::to_string(i + 1);
        plan.vms.push_back(vm);
    }
    return plan;
}

Underlay of_first_node() {
    Underlay underlay;
    underlay.local_address = "192.0.2.1";
    underlay.peers = {{"n2", "192.0.2.2"}, {"n3", "192.0.2.3"}};
    return underlay;
}

TEST(NetworkNames, FitFifteenCharactersForTheLargestJobRestartAndVm) {
    const plan::Job job{67043328, 4294967295u};
    EXPECT_LE(bridge_name(job).size(), 15u);
    EXPECT_LE(vxlan_name(job).size(), 15u);
    EXPECT_LE(tap_name(job, 4095).size(), 15u);
    EXPECT_EQ(tap_name(job, 4095), "ht67043328.4095");
}

TEST(NetworkNames, DifferBetweenTwoRunsOfAJob) {
    EXPECT_NE(bridge_name({42, 0}), bridge_name({42, 1}));
    EXPECT_NE(table_name({42, 0}), table_name({42, 1}));
}

TEST(NetworkNames, AreFoundAgainAndNothingElseIsTakenForHolons) {
    EXPECT_EQ(job_of_interface("hx42.1"), 42u);
    EXPECT_EQ(job_of_interface("ht67043328.4095"), 67043328u);
    for (const char* other : {"hb0", "hbase.1", "ht42", "ht42.", "ht.1", "hz42.1", "eth0", "h", "",
                              "ht42.1x", "ht-1.1"})
        EXPECT_EQ(job_of_interface(other), std::nullopt) << other;
    EXPECT_EQ(job_of_table("holon-42.1"), 42u);
    EXPECT_EQ(job_of_table("holon"), std::nullopt);
}

TEST(NetworkForwarding, SendsUnicastToTheNodeOfTheVmAndBroadcastToEveryPeer) {
    EXPECT_THAT(forwarding_table(three_nodes(), of_first_node()),
                ElementsAre(Pair(broadcast_mac, "192.0.2.2"), Pair(broadcast_mac, "192.0.2.3"),
                            Pair("02:00:00:2a:00:01", "192.0.2.2"),
                            Pair("02:00:00:2a:00:02", "192.0.2.3")));
}

TEST(NetworkForwarding, RefusesAPlanWithANodeThatHasNoAddress) {
    Underlay underlay = of_first_node();
    underlay.peers.pop_back();
    EXPECT_THROW(forwarding_table(three_nodes(), underlay), Error);
}

TEST(NetworkForwarding, AddsOnlyWhatIsMissing) {
    std::vector<Forward> wanted = forwarding_table(three_nodes(), of_first_node());
    EXPECT_EQ(forwarding_batch({42, 1}, wanted, {wanted.begin(), wanted.end()}), "");
    EXPECT_EQ(forwarding_batch({42, 1}, wanted, {wanted.begin(), wanted.end() - 1}),
              "fdb append 02:00:00:2a:00:02 dev hx42.1 dst 192.0.2.3 self permanent\n");
}

TEST(NetworkForwarding, FollowsAVmToAnotherNodeAndHome) {
    const plan::Plan plan = three_nodes();
    const auto table = forwarding_table(plan, of_first_node());
    const std::set<Forward> before(table.begin(), table.end());
    const plan::Vm& vm = plan.vms.at(2);
    EXPECT_EQ(relocation_batch({42, 1}, vm, "192.0.2.2", before),
              "fdb append 02:00:00:2a:00:02 dev hx42.1 dst 192.0.2.2 self permanent\n"
              "fdb del 02:00:00:2a:00:02 dev hx42.1 dst 192.0.2.3 self\n");
    EXPECT_EQ(relocation_batch({42, 1}, vm, "192.0.2.3", before), "");
    EXPECT_EQ(relocation_batch({42, 1}, vm, "", before),
              "fdb del 02:00:00:2a:00:02 dev hx42.1 dst 192.0.2.3 self\n");
}

TEST(NetworkLinks, PutTheVxlanOnThePortOfThePlanWithoutLearning) {
    plan::Plan plan = three_nodes();
    plan.udp_port_offset = 3;
    const std::string text = vxlan_batch(plan, of_first_node());
    EXPECT_THAT(text, HasSubstr("id 42 dstport 4792 local 192.0.2.1 nolearning"));
    EXPECT_THAT(text, HasSubstr("mtu 1450"));
}

TEST(NetworkFilters, TakeARunsPacketsOnlyFromItsPeers) {
    const std::string text = run_filter(three_nodes(), of_first_node());
    EXPECT_THAT(text, HasSubstr("elements = { 192.0.2.2, 192.0.2.3 }"));
    EXPECT_THAT(text, HasSubstr("udp dport 4789 @th,96,24 42 ip saddr != @peers"));
}

TEST(NetworkFilters, LeaveOutVxlanForARunOnOneNode) {
    Underlay alone;
    plan::Plan plan = three_nodes();
    EXPECT_THAT(run_filter(plan, alone), Not(HasSubstr("table inet")));
}

TEST(NetworkFilters, LetATapSendOnlyAsItsOwnVm) {
    const plan::Plan plan = three_nodes();
    const std::string text = tap_filter(plan.job, plan.vms[1]);
    EXPECT_THAT(text, HasSubstr("device \"ht42.1\" priority filter; policy drop;"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "ether saddr 02:00:00:2a:00:01 ip saddr 10.77.0.2 meta mark set 0x484f4c4e accept"));
    EXPECT_THAT(text, HasSubstr("arp saddr ip 10.77.0.2 meta mark set 0x484f4c4e accept"));
}

TEST(NetworkFilters, CoverAllFourPortsOfTheNode) {
    EXPECT_THAT(
        node_filter(4789),
        HasSubstr("udp dport 4789-4792 meta mark != 0x484f4c4e meta skuid >= 0 counter drop"));
}

TEST(NetworkResolve, NamesTheNodeThatIsUnknown) {
    try {
        resolve("no-such-node.invalid");
        FAIL() << "resolved";
    } catch (const Error& e) {
        EXPECT_THAT(e.what(), HasSubstr("no-such-node.invalid"));
    }
}

}  // namespace
}  // namespace holon::network
