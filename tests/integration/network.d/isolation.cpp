// SPDX-License-Identifier: GPL-2.0-or-later
// What plugins/network promises, tried on real bridges, VXLAN devices, taps and filters. Three
// hosts: n1 and n2 run jobs, n3 belongs to the network but to no job. Run by
// network_isolation_test.sh, as root in namespaces of its own.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "lab.h"
#include "plugins/network/network.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"

namespace holon::network {
namespace {

using lab::Host;
using lab::Octets;
using lab::Sniffer;

constexpr const char* everyone = "ff:ff:ff:ff:ff:ff";
constexpr std::uint16_t ipv4 = 0x0800, arp = 0x0806, ipv6 = 0x86dd, vlan = 0x8100;

// VMs 0 and 2 on n1, VM 1 on n2. Every job has the same addresses.
plan::Plan plan_of(plan::Job job) {
    plan::Plan plan;
    plan.job = job;
    plan.vni = job.id & 0xffffff;
    plan.udp_port_offset = job.id >> 24;
    for (std::uint32_t i = 0; i < 3; ++i) {
        plan::Vm vm;
        vm.index = i;
        vm.name = "vm" + std::to_string(i);
        vm.node = i == 1 ? "n2" : "n1";
        vm.mac = "02:00:00:" + std::to_string(10 + job.id % 10) + ":00:0" + std::to_string(i);
        vm.address = "10.77.0." + std::to_string(i + 1);
        plan.vms.push_back(vm);
    }
    return plan;
}

class NetworkIsolation : public ::testing::Test {
  protected:
    lab::Lab lab{3};
    const Host &n1 = lab.hosts[0], &n2 = lab.hosts[1], &n3 = lab.hosts[2];

    void SetUp() override {
        for (const Host* node : {&n1, &n2}) node->run([] { prepare_node(4789); });
    }

    void create_on_both(plan::Job job) {
        for (std::size_t i : {0, 1}) {
            Underlay underlay;
            underlay.local_address = lab::address_of_host(i);
            underlay.peers = {{i == 0 ? "n2" : "n1", lab::address_of_host(1 - i)}};
            lab.hosts[i].run([&] { create(plan_of(job), underlay); });
        }
    }

    Host guest(plan::Job job, std::uint32_t index) {
        const plan::Vm vm = plan_of(job).vms.at(index);
        const Host& node = vm.node == "n1" ? n1 : n2;
        Host made =
            lab::make_guest(node, tap_name(job, index), bridge_name(job), vm.mac, vm.address);
        node.run([&] { attach_tap(job, vm); });
        return made;
    }

    // VM 2 of JOB as QEMU sees it: a tap.
    os::Fd tap(plan::Job job) {
        os::Fd fd = lab::open_tap(n1, tap_name(job, 2), bridge_name(job));
        n1.run([&] { attach_tap(job, plan_of(job).vms[2]); });
        return fd;
    }

    static std::string listing(const Host& host, const std::vector<std::string>& argv) {
        std::string out;
        host.run([&] { out = os::run_checked(argv); });
        return out;
    }
    static std::vector<std::string> leftovers(const Host& host, std::uint32_t job) {
        std::vector<std::string> names;
        host.run([&] {
            for (const Leftover& item : interfaces())
                if (item.job == job) names.push_back(item.interface);
        });
        std::sort(names.begin(), names.end());
        return names;
    }
};

bool write_frame(const os::Fd& tap, const Octets& frame) {
    return write(tap.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size());
}

TEST_F(NetworkIsolation, VmsOfAJobReachEachOtherAcrossNodesAndOnOneNode) {
    create_on_both({100, 0});
    Host vm0 = guest({100, 0}, 0), vm1 = guest({100, 0}, 1), vm2 = guest({100, 0}, 2);
    EXPECT_TRUE(lab::pings(vm0, "10.77.0.2"));
    EXPECT_TRUE(lab::pings(vm1, "10.77.0.1"));
    EXPECT_TRUE(lab::pings(vm0, "10.77.0.3"));
    EXPECT_TRUE(lab::pings(vm1, "10.77.0.3"));
}

TEST_F(NetworkIsolation, TwoJobsWithTheSameAddressesDoNotMeet) {
    // 101 differs in the VNI, 16777316 (100 + 2^24) has the same VNI on another port.
    for (std::uint32_t other : {101u, 16777316u}) {
        create_on_both({100, 0});
        create_on_both({other, 0});
        Host vm0 = guest({100, 0}, 0), vm1 = guest({100, 0}, 1);
        Host other0 = guest({other, 0}, 0), other1 = guest({other, 0}, 1);
        EXPECT_TRUE(lab::pings(vm0, "10.77.0.2"));
        EXPECT_TRUE(lab::pings(other0, "10.77.0.2"));
        // With its own vm1 gone, nobody answers vm0, though the other job's 10.77.0.2 is there.
        vm1.ip("link set dev eth0 down");
        EXPECT_FALSE(lab::pings(vm0, "10.77.0.2"));
        EXPECT_TRUE(lab::pings(other0, "10.77.0.2"));
        for (const Host* node : {&n1, &n2})
            node->run([&] {
                remove({100, 0});
                remove({other, 0});
            });
    }
}

TEST_F(NetworkIsolation, ARealTapsFramesPassThroughTheTunnel) {
    create_on_both({100, 0});
    Host vm1 = guest({100, 0}, 1);
    Sniffer seen(vm1, "eth0");
    os::Fd qemu = tap({100, 0});
    const plan::Vm vm = plan_of({100, 0}).vms[2];
    EXPECT_TRUE(
        write_frame(qemu, lab::ethernet(everyone, vm.mac, ipv4,
                                        lab::ipv4_udp(vm.address, "10.77.0.2", 9, "broadcast"))));
    EXPECT_EQ(seen.wait_for_any({"broadcast"}), 0u);
    const std::string to_vm1 = plan_of({100, 0}).vms[1].mac;
    EXPECT_TRUE(write_frame(
        qemu,
        lab::ethernet(to_vm1, vm.mac, ipv4, lab::ipv4_udp(vm.address, "10.77.0.2", 9, "unicast"))));
    EXPECT_EQ(seen.wait_for_any({"unicast"}), 0u);
}

TEST_F(NetworkIsolation, ATapSendsNothingThatIsNotItsOwnVms) {
    create_on_both({100, 0});
    Host vm1 = guest({100, 0}, 1);
    Sniffer seen(vm1, "eth0");
    os::Fd qemu = tap({100, 0});
    const plan::Vm own = plan_of({100, 0}).vms[2], other = plan_of({100, 0}).vms[0];
    const std::string to = "10.77.0.2";
    auto tagged = [&](std::uint16_t tag) {
        Octets payload{0, 7, 8, 0};
        const Octets packet = lab::ipv4_udp(own.address, to, 9, "FORGED");
        payload.insert(payload.end(), packet.begin(), packet.end());
        return lab::ethernet(everyone, own.mac, tag, payload);
    };
    const std::vector<std::pair<const char*, Octets>> forged = {
        {"MAC",
         lab::ethernet(everyone, other.mac, ipv4, lab::ipv4_udp(own.address, to, 9, "FORGED"))},
        {"IP",
         lab::ethernet(everyone, own.mac, ipv4, lab::ipv4_udp(other.address, to, 9, "FORGED"))},
        {"ARP IP",
         lab::ethernet(everyone, own.mac, arp, lab::arp(2, own.mac, other.address, to, "FORGED"))},
        {"ARP MAC",
         lab::ethernet(everyone, own.mac, arp, lab::arp(2, other.mac, own.address, to, "FORGED"))},
        {"IPv6", lab::ethernet(everyone, own.mac, ipv6, Octets{'F', 'O', 'R', 'G', 'E', 'D'})},
        {"VLAN", tagged(vlan)},
        {"QinQ", tagged(0x88a8)},
        {"other protocol",
         lab::ethernet(everyone, own.mac, 0x88b5, Octets{'F', 'O', 'R', 'G', 'E', 'D'})},
    };
    const Octets honest =
        lab::ethernet(everyone, own.mac, ipv4, lab::ipv4_udp(own.address, to, 9, "honest"));
    for (const auto& [what, frame] : forged) {
        ASSERT_TRUE(write_frame(qemu, frame));
        ASSERT_TRUE(write_frame(qemu, honest));
        EXPECT_EQ(seen.wait_for_any({"honest", "FORGED"}), 0u) << what;
    }
    const Octets query =
        lab::ethernet(everyone, own.mac, arp, lab::arp(1, own.mac, own.address, to, "question"));
    ASSERT_TRUE(write_frame(qemu, query));
    EXPECT_EQ(seen.wait_for_any({"question"}), 0u);
}

TEST_F(NetworkIsolation, AProcessOnANodeCannotInjectAndWithoutTheFilterItCould) {
    create_on_both({100, 0});
    Host vm0 = guest({100, 0}, 0), vm1 = guest({100, 0}, 1);
    Sniffer seen(vm1, "eth0");
    const plan::Plan plan = plan_of({100, 0});
    auto packet = [&](const char* text) {
        return lab::vxlan(plan.vni,
                          lab::ethernet(everyone, plan.vms[0].mac, ipv4,
                                        lab::ipv4_udp("10.77.0.1", "10.77.0.2", 9, text)));
    };
    for (uid_t uid : {1000u, 0u}) {
        for (std::uint16_t port : {4789, 4790, 4791, 4792})
            EXPECT_EQ(lab::send_udp(n1, uid, lab::address_of_host(1), port, packet("INJECTED")),
                      EPERM);
        // Nor on the node that runs the VM itself, whatever address it takes.
        for (const char* address : {"127.0.0.1", "192.0.2.2"})
            EXPECT_EQ(lab::send_udp(n2, uid, address, 4789, packet("INJECTED")), EPERM);
    }
    EXPECT_TRUE(lab::pings(vm0, "10.77.0.2")) << "the tunnel itself passes";
    // The same packet without the rule that this test is about: it would arrive.
    n1.run([] { os::run_checked({"nft", "delete", "table", "inet", "holon"}); });
    EXPECT_EQ(lab::send_udp(n1, 1000, lab::address_of_host(1), 4789, packet("control")), 0);
    EXPECT_EQ(seen.wait_for_any({"control", "INJECTED"}), 0u);
}

TEST_F(NetworkIsolation, AHostThatIsNoPeerCannotInjectAndWithoutTheFilterItCould) {
    create_on_both({100, 0});
    Host vm1 = guest({100, 0}, 1);
    Sniffer seen(vm1, "eth0");
    const plan::Plan plan = plan_of({100, 0});
    auto packet = [&](const char* text) {
        return lab::vxlan(plan.vni,
                          lab::ethernet(everyone, plan.vms[0].mac, ipv4,
                                        lab::ipv4_udp("10.77.0.1", "10.77.0.2", 9, text)));
    };
    EXPECT_EQ(lab::send_udp(n3, 1000, lab::address_of_host(1), 4789, packet("INJECTED")), 0);
    n2.run([] { os::run_checked({"nft", "delete", "table", "inet", "holon-100.0"}); });
    EXPECT_EQ(lab::send_udp(n3, 1000, lab::address_of_host(1), 4789, packet("control")), 0);
    EXPECT_EQ(seen.wait_for_any({"control", "INJECTED"}), 0u);
}

TEST_F(NetworkIsolation, APeerOfOneJobIsNoPeerOfAnother) {
    // Job 100 is on n1 and n2, job 101 on n2 and n3: n3's packets for job 100 are not taken.
    create_on_both({100, 0});
    Underlay underlay;
    underlay.local_address = lab::address_of_host(1);
    underlay.peers = {{"n1", lab::address_of_host(2)}};
    n2.run([&] { create(plan_of({101, 0}), underlay); });
    Host vm1 = guest({100, 0}, 1), other1 = guest({101, 0}, 1);
    Sniffer seen(vm1, "eth0"), other_seen(other1, "eth0");
    auto packet = [&](std::uint32_t job, const char* text) {
        return lab::vxlan(job, lab::ethernet(everyone, "02:00:00:00:00:99", ipv4,
                                             lab::ipv4_udp("10.77.0.1", "10.77.0.2", 9, text)));
    };
    EXPECT_EQ(lab::send_udp(n3, 0, lab::address_of_host(1), 4789, packet(100, "INJECTED")), 0);
    EXPECT_EQ(lab::send_udp(n3, 0, lab::address_of_host(1), 4789, packet(101, "peer")), 0);
    EXPECT_EQ(other_seen.wait_for_any({"peer"}), 0u);
    n2.run([] { os::run_checked({"nft", "delete", "table", "inet", "holon-100.0"}); });
    EXPECT_EQ(lab::send_udp(n3, 0, lab::address_of_host(1), 4789, packet(100, "control")), 0);
    EXPECT_EQ(seen.wait_for_any({"control", "INJECTED"}), 0u);
}

TEST_F(NetworkIsolation, AGuestReachesNoServiceOfItsHost) {
    create_on_both({100, 0});
    os::Fd qemu = tap({100, 0});
    const plan::Vm own = plan_of({100, 0}).vms[2];
    n1.run([] {
        os::run_checked({"ip", "route", "add", "10.77.0.0/16", "dev", bridge_name({100, 0})});
    });
    os::Fd service;
    n1.run([&] {
        service.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(5000);
        ASSERT_EQ(bind(service.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    });
    std::string bridge_mac;
    n1.run([&] {
        const std::string shown =
            os::run_checked({"ip", "-o", "link", "show", "dev", bridge_name({100, 0})});
        bridge_mac = shown.substr(shown.find("link/ether ") + 11, 17);
    });
    auto send = [&](const char* text) {
        return write_frame(
            qemu, lab::ethernet(bridge_mac, own.mac, ipv4,
                                lab::ipv4_udp(own.address, lab::address_of_host(0), 5000, text)));
    };
    ASSERT_TRUE(send("REACHED"));
    n1.run([] { os::run_checked({"nft", "delete", "chain", "netdev", "holon-100.0", "host"}); });
    ASSERT_TRUE(send("control"));
    char text[16] = {};
    timeval patience{5, 0};
    setsockopt(service.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ASSERT_EQ(recv(service.get(), text, sizeof text, 0), 7);
    EXPECT_STREQ(text, "control");
}

TEST_F(NetworkIsolation, CreateAttachAndRemoveMayBeRepeated) {
    create_on_both({100, 0});
    Host vm0 = guest({100, 0}, 0), vm1 = guest({100, 0}, 1);
    const std::string table = listing(n1, {"bridge", "fdb", "show", "dev", "hx100.0"});
    const std::string rules = listing(n1, {"nft", "list", "ruleset"});
    create_on_both({100, 0});
    n1.run([] {
        attach_tap({100, 0}, plan_of({100, 0}).vms[0]);
        prepare_node(4789);
    });
    EXPECT_EQ(listing(n1, {"bridge", "fdb", "show", "dev", "hx100.0"}), table);
    EXPECT_EQ(listing(n1, {"nft", "list", "ruleset"}).size(), rules.size());
    EXPECT_TRUE(lab::pings(vm0, "10.77.0.2"));
    for (int i = 0; i < 2; ++i) n1.run([] { remove({100, 0}); });
    EXPECT_EQ(leftovers(n1, 100), std::vector<std::string>{});
}

TEST_F(NetworkIsolation, RemovingARunTouchesNoOtherJobAndNotTheNextRun) {
    create_on_both({100, 0});
    Host old0 = guest({100, 0}, 0);
    create_on_both({101, 0});
    Host other0 = guest({101, 0}, 0), other1 = guest({101, 0}, 1);
    // The old run's QEMU is gone, and its tap with it; the next run starts before the late epilog
    // of the old.
    n1.ip("link delete dev ht100.0");
    create_on_both({100, 1});
    Host vm0 = guest({100, 1}, 0), vm1 = guest({100, 1}, 1);
    for (const Host* node : {&n1, &n2}) node->run([] { remove({100, 0}); });
    EXPECT_TRUE(lab::pings(vm0, "10.77.0.2"));
    EXPECT_TRUE(lab::pings(other0, "10.77.0.2"));
    EXPECT_EQ(leftovers(n1, 100),
              (std::vector<std::string>{"hb100.1", "ht100.0", "hx100.1", "nft inet holon-100.1",
                                        "nft netdev holon-100.1"}));
    // Still filtered: the old run's chain for the tap of that name was not the one that holds.
    vm0.ip("link set dev eth0 address 02:00:00:00:00:99");
    EXPECT_FALSE(lab::pings(vm0, "10.77.0.2"));
}

TEST_F(NetworkIsolation, ANodeThatDoesNotHaveTheLocalAddressSaysSo) {
    Underlay underlay;
    underlay.local_address = "192.0.2.77";
    underlay.peers = {{"n2", "192.0.2.2"}};
    n1.run([&] {
        try {
            create(plan_of({100, 0}), underlay);
            ADD_FAILURE() << "created";
        } catch (const Error& e) {
            EXPECT_STREQ(e.what(), "network of job 100: 192.0.2.77 is not an address of this host");
        }
    });
    EXPECT_EQ(leftovers(n1, 100), std::vector<std::string>{});
}

}  // namespace
}  // namespace holon::network

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
