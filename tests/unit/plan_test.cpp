// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/plan/plan.h"

#include <gmock/gmock.h>

#include <numeric>
#include <random>
#include <set>

#include "plugins/os/error.h"

namespace holon::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Sizing sizing{128, 512, "10.77.0.0/16"};
constexpr Job job{42, 0};

std::vector<std::uint32_t> vms_on_each(const Plan& plan, const std::vector<NodeShare>& allocation) {
    std::vector<std::uint32_t> counts;
    for (const NodeShare& share : allocation)
        counts.push_back(static_cast<std::uint32_t>(plan.on_node(share.name).size()));
    return counts;
}

std::vector<std::uint32_t> cpus_of(const Plan& plan) {
    std::vector<std::uint32_t> cpus;
    for (const Vm& vm : plan.vms) cpus.push_back(vm.cpus);
    return cpus;
}

std::vector<std::uint64_t> memory_of(const Plan& plan) {
    std::vector<std::uint64_t> memory;
    for (const Vm& vm : plan.vms) memory.push_back(vm.memory_mb);
    return memory;
}

spec::Spec cluster(std::uint32_t count = 0) {
    spec::Spec spec;
    spec.vm_count = count;
    spec.image = "tiny";
    return spec;
}

std::string refusal(const spec::Spec& spec, const std::vector<NodeShare>& allocation,
                    const Sizing& with = sizing) {
    try {
        make(spec, allocation, job, with);
    } catch (const Error& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Plan, WithoutACountEveryNodeHasOneVmWithAllItsCpus) {
    const Plan plan = make(cluster(), {{"n1", 2, 1000}, {"n2", 5, 1000}}, job, sizing);
    EXPECT_THAT(cpus_of(plan), ElementsAre(2, 5));
    EXPECT_EQ(plan.vms[1].node, "n2");
    EXPECT_EQ(plan.vms[1].name, "vm1");
}

TEST(Plan, DealsVmsInProportionToCpus) {
    const std::vector<NodeShare> allocation{{"n1", 8, 8000}, {"n2", 4, 8000}, {"n3", 4, 8000}};
    EXPECT_THAT(vms_on_each(make(cluster(8), allocation, job, sizing), allocation),
                ElementsAre(4, 2, 2));
}

TEST(Plan, GivesTheRestToTheLargestRemainders) {
    // 5 VMs over 7+3 CPUs: quotas 3.5 and 1.5 tie, so the first node gets the last one.
    const std::vector<NodeShare> tie{{"n1", 7, 8000}, {"n2", 3, 8000}};
    EXPECT_THAT(vms_on_each(make(cluster(5), tie, job, sizing), tie), ElementsAre(4, 1));
    // 4 VMs over 5+4+2: quotas 1.82, 1.45, 0.73 (raised to 1).
    const std::vector<NodeShare> three{{"n1", 5, 8000}, {"n2", 4, 8000}, {"n3", 2, 8000}};
    EXPECT_THAT(vms_on_each(make(cluster(4), three, job, sizing), three), ElementsAre(2, 1, 1));
}

TEST(Plan, EveryNodeHasAVmHoweverFewItsCpus) {
    const std::vector<NodeShare> allocation{{"n1", 62, 8000}, {"n2", 1, 8000}, {"n3", 1, 8000}};
    EXPECT_THAT(vms_on_each(make(cluster(3), allocation, job, sizing), allocation),
                ElementsAre(1, 1, 1));
}

TEST(Plan, ANodeHasNoMoreVmsThanCpus) {
    const std::vector<NodeShare> allocation{{"n1", 3, 8000}, {"n2", 1, 8000}};
    EXPECT_THAT(vms_on_each(make(cluster(4), allocation, job, sizing), allocation),
                ElementsAre(3, 1));
}

TEST(Plan, ANodesCpusAreDividedEvenlyTheFirstVmsGettingTheRest) {
    EXPECT_THAT(cpus_of(make(cluster(3), {{"n1", 8, 8000}}, job, sizing)), ElementsAre(3, 3, 2));
}

TEST(Plan, VmCpusSetsTheSizeAndLimitsHowManyFitANode) {
    spec::Spec spec = cluster(3);
    spec.vm_cpus = 2;
    const std::vector<NodeShare> allocation{{"n1", 5, 8000}, {"n2", 3, 8000}};
    const Plan plan = make(spec, allocation, job, sizing);
    EXPECT_THAT(cpus_of(plan), ElementsAre(2, 2, 2));
    EXPECT_THAT(vms_on_each(plan, allocation), ElementsAre(2, 1));
}

TEST(Plan, MemoryIsTheNodesLessTheReserveOfEachVm) {
    EXPECT_THAT(memory_of(make(cluster(2), {{"n1", 4, 2256}}, job, sizing)),
                ElementsAre(1000, 1000));
}

TEST(Plan, MemoryFollowsTheCpusOfUnequalVms) {
    EXPECT_THAT(memory_of(make(cluster(2), {{"n1", 3, 3256}}, job, sizing)),
                ElementsAre(2000, 1000));
}

TEST(Plan, VmMemIsTakenAsGiven) {
    spec::Spec spec = cluster();
    spec.vm_memory_mb = 300;
    EXPECT_THAT(memory_of(make(spec, {{"n1", 1, 428}}, job, sizing)), ElementsAre(300));
}

TEST(Plan, MemoryNotInTheAllocationComesFromTheSpecsMemPerNode) {
    spec::Spec spec = cluster();
    spec.node_memory_mb = 1128;
    EXPECT_THAT(memory_of(make(spec, {{"n1", 2, 0}, {"n2", 2, 628}}, job, sizing)),
                ElementsAre(1000, 500));
}

TEST(Plan, MemoryNotInTheAllocationComesFromTheSpecsMemPerCpu) {
    spec::Spec spec = cluster();
    spec.cpu_memory_mb = 500;
    EXPECT_THAT(memory_of(make(spec, {{"n1", 2, 0}, {"n2", 1, 0}}, job, sizing)),
                ElementsAre(872, 372));
}

TEST(Plan, MemoryThatNobodyKnowsIsTheSitesDefaultForEachVm) {
    EXPECT_THAT(memory_of(make(cluster(2), {{"n1", 2, 0}}, job, sizing)), ElementsAre(512, 512));
}

TEST(Plan, AddressesStartAtTheFirstHostOfTheSubnet) {
    Sizing other = sizing;
    other.subnet = "192.168.4.0/22";
    const Plan plan = make(cluster(300), {{"n1", 300, 999999}}, job, other);
    EXPECT_EQ(plan.prefix_length, 22u);
    EXPECT_EQ(plan.vms[0].address, "192.168.4.1");
    EXPECT_EQ(plan.vms[255].address, "192.168.5.0");
    EXPECT_EQ(plan.vms[299].address, "192.168.5.44");
}

TEST(Plan, MacsCarryTheJobAndTheVm) {
    const Plan plan = make(cluster(2), {{"n1", 2, 1000}}, {0x123456, 0}, sizing);
    EXPECT_EQ(plan.vms[0].mac, "02:12:34:56:00:00");
    EXPECT_EQ(plan.vms[1].mac, "02:12:34:56:00:01");
}

TEST(Plan, WithoutANetworkThereAreNoAddresses) {
    spec::Spec spec = cluster();
    spec.network = spec::Network::none;
    EXPECT_EQ(make(spec, {{"n1", 1, 1000}}, job, sizing).vms[0].address, "");
}

TEST(Plan, TheTwoHighBitsOfTheJobIdChooseTheUdpPort) {
    const Plan plan = make(cluster(), {{"n1", 1, 1000}}, {0x3ff0000, 1}, sizing);
    EXPECT_EQ(plan.vni, 0xff0000u);
    EXPECT_EQ(plan.udp_port_offset, 3u);
}

TEST(Plan, RefusesFewerVmsThanNodes) {
    EXPECT_THAT(refusal(cluster(1), {{"n1", 1, 1000}, {"n2", 1, 1000}}),
                HasSubstr("--vm-cluster=1"));
}

TEST(Plan, RefusesMoreVmsThanCpus) {
    EXPECT_THAT(refusal(cluster(4), {{"n1", 3, 9000}}), HasSubstr("enough for 3 VMs"));
}

TEST(Plan, RefusesMoreCpusForAVmThanANodeGivesNamingTheNode) {
    spec::Spec spec = cluster();
    spec.vm_cpus = 2;
    EXPECT_THAT(refusal(spec, {{"n1", 2, 1000}, {"n2", 1, 1000}}),
                HasSubstr("--vm-cpus=2: node n2"));
}

TEST(Plan, RefusesVmMemThatTheNodeDoesNotHave) {
    spec::Spec spec = cluster();
    spec.vm_memory_mb = 873;
    EXPECT_THAT(refusal(spec, {{"n1", 1, 1000}}), HasSubstr("--vm-mem=873M"));
    spec.vm_memory_mb = 872;
    EXPECT_EQ(refusal(spec, {{"n1", 1, 1000}}), "accepted");
}

TEST(Plan, RefusesLessThan64MiBForAVm) {
    EXPECT_THAT(refusal(cluster(), {{"n1", 1, 191}}), HasSubstr("a VM needs 64 MiB"));
    EXPECT_EQ(refusal(cluster(), {{"n1", 1, 192}}), "accepted");
    EXPECT_THAT(refusal(cluster(), {{"n1", 1, 5}}), HasSubstr("a VM needs 64 MiB"));
}

TEST(Plan, RefusesASubnetWithoutRoom) {
    Sizing small = sizing;
    small.subnet = "10.77.0.0/30";
    EXPECT_THAT(refusal(cluster(3), {{"n1", 3, 9000}}, small), HasSubstr("10.77.0.0/30"));
    EXPECT_EQ(refusal(cluster(2), {{"n1", 3, 9000}}, small), "accepted");
}

TEST(Plan, RefusesOver4096Vms) {
    spec::Spec spec = cluster(4097);
    EXPECT_THAT(refusal(spec, {{"n1", 5000, 9000000}}), HasSubstr("at most 4096"));
}

TEST(Plan, RefusesAllocationsThatSlurmCannotHaveMade) {
    EXPECT_THAT(refusal(cluster(), {}), HasSubstr("no node"));
    EXPECT_THAT(refusal(cluster(), {{"n1", 0, 100}}), HasSubstr("no CPU"));
    EXPECT_THAT(refusal(cluster(), {{"n1", 1, 900}, {"n1", 1, 900}}), HasSubstr("twice"));
    EXPECT_THROW(make(cluster(), {{"n1", 1, 900}}, {0, 0}, sizing), Error);
    EXPECT_THROW(make(cluster(), {{"n1", 1, 900}}, {1u << 26, 0}, sizing), Error);
}

TEST(Plan, TasksAreDealtToANodesVmsInBlocks) {
    const Plan plan = make(cluster(4), {{"n1", 2, 2000}, {"n2", 2, 2000}}, job, sizing);
    const auto vm = [&](std::uint32_t task, std::uint32_t tasks) {
        return vm_for_task(plan, "n2", task, tasks).name;
    };
    EXPECT_EQ(vm(0, 4) + vm(1, 4) + vm(2, 4) + vm(3, 4), "vm2vm2vm3vm3");
    EXPECT_EQ(vm(0, 3) + vm(1, 3) + vm(2, 3), "vm2vm2vm3");
    EXPECT_EQ(vm(0, 2) + vm(1, 2), "vm2vm3");
    EXPECT_EQ(vm(0, 1), "vm2");
    EXPECT_THROW(vm_for_task(plan, "n3", 0, 1), Error);
    EXPECT_THROW(vm_for_task(plan, "n2", 1, 1), Error);
}

TEST(PlanJson, ComesBackAsItWas) {
    const Plan plan = make(cluster(3), {{"n1", 2, 2000}, {"n2", 2, 2000}}, {77, 3}, sizing);
    EXPECT_EQ(to_json(from_json(to_json(plan))), to_json(plan));
    EXPECT_EQ(from_json(to_json(plan)).vms[2].node, "n2");
    EXPECT_EQ(from_json(to_json(plan)).job.restart, 3u);
}

TEST(PlanJson, RefusesWhatIsCutShortOrEdited) {
    const std::string good = to_json(make(cluster(), {{"n1", 2, 2000}}, job, sizing));
    EXPECT_THROW(from_json(good.substr(0, good.size() / 2)), Error);
    const auto edited = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        return text.replace(text.find(from), from.size(), to);
    };
    EXPECT_THROW(from_json(edited("\"v\":1", "\"v\":2")), Error);
    EXPECT_THROW(from_json(edited("\"cpus\":2", "\"cpus\":-2")), Error);
    EXPECT_THROW(from_json(edited("\"index\":0", "\"index\":1")), Error);
    EXPECT_THROW(from_json(edited("\"mac\"", "\"mic\"")), Error);
    EXPECT_THROW(from_json("[]"), Error);
}

TEST(Subnet, RefusesWhatIsNotANetwork) {
    for (const char* bad : {"", "10.77.0.0", "10.77.0.0/", "10.77.0/16", "10.77.0.0.0/16",
                            "10.77.0.256/24", "10.77.0.0/31", "10.77.0.0/7", "10.77.0.1/16",
                            "a.b.c.d/16", "10..0.0/16", "10.77.0.0/16x"})
        EXPECT_THROW(parse_subnet(bad), Error) << bad;
    EXPECT_EQ(parse_subnet("10.77.0.0/16").hosts(), 65534u);
}

// What must hold for every allocation, tried on 10,000 random ones.
TEST(Plan, HoldsItsPromisesForRandomAllocations) {
    std::mt19937 random(7);
    const auto between = [&](std::uint32_t low, std::uint32_t high) {
        return low + static_cast<std::uint32_t>(random()) % (high - low + 1);
    };
    int made = 0;
    for (int round = 0; round < 10'000; ++round) {
        std::vector<NodeShare> allocation;
        std::uint32_t all_cpus = 0;
        for (std::uint32_t i = 0, nodes = between(1, 8); i < nodes; ++i) {
            allocation.push_back({fmt::format("n{}", i), between(1, 16),
                                  between(0, 3) == 0 ? 0 : between(100, 8000)});
            all_cpus += allocation.back().cpus;
        }
        spec::Spec spec = cluster(between(0, 1) == 0 ? 0 : between(1, all_cpus + 1));
        if (between(0, 3) == 0) spec.vm_cpus = between(1, 4);
        if (between(0, 3) == 0) spec.vm_memory_mb = between(64, 1000);
        if (between(0, 3) == 0) spec.cpu_memory_mb = between(100, 1000);
        const Job any{between(1, (1u << 26) - 1), between(0, 9)};
        Plan plan;
        try {
            plan = make(spec, allocation, any, sizing);
        } catch (const Error&) {
            continue;
        }
        ++made;
        ASSERT_EQ(to_json(plan), to_json(make(spec, allocation, any, sizing)));
        ASSERT_EQ(to_json(plan), to_json(from_json(to_json(plan))));
        if (spec.vm_count != 0) {
            ASSERT_EQ(plan.vms.size(), spec.vm_count);
        }
        std::set<std::string> macs, addresses;
        for (std::uint32_t i = 0; i < plan.vms.size(); ++i) {
            ASSERT_EQ(plan.vms[i].index, i);
            ASSERT_TRUE(macs.insert(plan.vms[i].mac).second);
            ASSERT_TRUE(addresses.insert(plan.vms[i].address).second);
            ASSERT_GE(plan.vms[i].memory_mb, 64u);
            ASSERT_GE(plan.vms[i].cpus, 1u);
        }
        std::vector<std::string> order;
        for (const NodeShare& share : allocation) {
            const std::vector<Vm> here = plan.on_node(share.name);
            ASSERT_FALSE(here.empty());
            std::uint64_t cpus = 0, memory = 0;
            for (std::size_t i = 0; i < here.size(); ++i) {
                cpus += here[i].cpus;
                memory += here[i].memory_mb + sizing.reserve_mb;
                ASSERT_EQ(here[i].index, here[0].index + i);  // VMs of one node are consecutive
                order.push_back(share.name);
            }
            const std::uint64_t known =
                share.memory_mb != 0 ? share.memory_mb : spec.cpu_memory_mb * share.cpus;
            ASSERT_LE(cpus, share.cpus);
            if (known != 0) {
                ASSERT_LE(memory, known);
            }
        }
        for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(plan.vms[i].node, order[i]);
    }
    EXPECT_GT(made, 3000);
}

TEST(Plan, NoTwoJobsShareAVxlanIdentity) {
    // The pair is the job id's bits, so it is enough that the id can be read back from it.
    std::mt19937 random(3);
    const auto check = [](std::uint32_t id) {
        const Plan plan = make(cluster(), {{"n1", 1, 1000}}, {id, 0}, sizing);
        EXPECT_EQ(plan.udp_port_offset << 24 | plan.vni, id);
        EXPECT_LE(plan.udp_port_offset, 3u);
        EXPECT_LT(plan.vni, 1u << 24);
    };
    for (const std::uint32_t edge :
         {1u, 0xffffffu, 0x1000000u, 0x1000001u, 0x2000000u, 0x3000000u, 0x3ff0000u, 0x3ffffffu})
        check(edge);
    for (int i = 0; i < 10'000; ++i)
        check(1 + static_cast<std::uint32_t>(random()) % ((1u << 26) - 1));
}

TEST(PlanHome, IsTheVmWithTheMostCpusTheFirstOfSeveral) {
    const std::vector<NodeShare> allocation{{"n1", 1, 1000}, {"n2", 3, 3000}, {"n3", 3, 3000}};
    EXPECT_EQ(home(make(cluster(), allocation, job, sizing)).node, "n2");
}

TEST(PlanHome, IsTheSameForNodesThatKnowNoOthersMemory) {
    const std::vector<NodeShare> one{{"n1", 1, 1000}, {"n2", 2, 0}},
        two{{"n1", 1, 0}, {"n2", 2, 900}};
    EXPECT_EQ(home(make(cluster(), one, job, sizing)).name,
              home(make(cluster(), two, job, sizing)).name);
}

}  // namespace
}  // namespace holon::plan
