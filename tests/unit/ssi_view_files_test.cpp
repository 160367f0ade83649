// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/view/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/os/error.h"

namespace holon::ssi::view {
namespace {

using ::testing::HasSubstr;

constexpr char cpuinfo[] =
    "processor\t: 0\nmodel name\t: A\ncore id\t\t: 3\n\nprocessor\t: 1\nmodel name\t: A\n";
constexpr char stat[] =
    "cpu  3 0 0 0 0 0 0 0 0 0\ncpu0 1 0 0 10 0 0 0 0 0 0\ncpu1 2 0 0 20 0 0 0 0 0 0\nctxt 7\n"
    "btime 99\nprocesses 5\nprocs_running 2\n";

Report report(std::uint32_t cpus) {
    KernelCpus kernel{};
    kernel.add(0, 2);
    return make_report(cpuinfo, stat, "0.50 0.25 0.10 2/100 4711\n", cpus, kernel);
}

// Two CPUs at home, one on the second node.
Machine machine() {
    Machine whole;
    whole.nodes = {report(2), report(1)};
    whole.stat = stat;
    whole.loadavg = "0.50 0.25 0.10 2/100 4711\n";
    whole.memory = 1000;
    whole.free = 400;
    return whole;
}

Machine with_a_node_down() {
    Machine whole = machine();
    whole.nodes[0].cpus = 1;
    whole.nodes.insert(whole.nodes.begin() + 1, Report{});
    whole.nodes[1].cpus = 2;
    return whole;
}

std::string text(const Machine& whole, const char* path) { return file(whole, path).value_or("-"); }

TEST(ViewFiles, CpuinfoHasEveryCpuOfEveryNode) {
    const std::string all = text(machine(), "proc/cpuinfo");
    EXPECT_THAT(all, HasSubstr("processor\t: 2\nmodel name\t: A\ncore id\t\t: 0\n\n"));
    EXPECT_THAT(all, HasSubstr("processor\t: 1\nmodel name\t: A\ncore id\t\t: 1\n"));
}

TEST(ViewFiles, StatSumsTheCpusOfAllNodes) {
    const std::string all = text(machine(), "proc/stat");
    EXPECT_EQ(all.substr(0, all.find('\n')), "cpu  4 0 0 40 0 0 0 0 0 0");
    EXPECT_THAT(all, HasSubstr("\ncpu2 1 0 0 10 0 0 0 0 0 0\n"));
}

TEST(ViewFiles, StatKeepsTheHomesBootTimeAndSumsItsCounters) {
    const std::string all = text(machine(), "proc/stat");
    EXPECT_THAT(all, HasSubstr("\nctxt 14\nbtime 99\nprocesses 10\nprocs_running 4\n"));
}

TEST(ViewFiles, LoadIsTheSumOfTheNodes) {
    EXPECT_EQ(text(machine(), "proc/loadavg"), "1.00 0.50 0.20 4/200 4711\n");
}

TEST(ViewFiles, NodesAreNumaNodesAtADistance) {
    EXPECT_EQ(text(machine(), "node/online"), "0-1\n");
    EXPECT_EQ(text(machine(), "node/node0/cpulist"), "0-1\n");
    EXPECT_EQ(text(machine(), "node/node1/cpumap"), "00000004\n");
    EXPECT_EQ(text(machine(), "node/node1/distance"), "100 10\n");
}

TEST(ViewFiles, OnlyTheHomesMemoryIsPromised) {
    EXPECT_THAT(text(machine(), "node/node0/meminfo"), HasSubstr(" 1000 kB"));
    EXPECT_THAT(text(machine(), "node/node1/meminfo"), HasSubstr("MemTotal:               0 kB"));
}

TEST(ViewFiles, ANodeThatIsDownKeepsItsNumbersOnly) {
    EXPECT_EQ(text(with_a_node_down(), "cpu/online"), "0,3\n");
    EXPECT_EQ(text(with_a_node_down(), "cpu/possible"), "0-3\n");
    EXPECT_EQ(text(with_a_node_down(), "cpu/offline"), "1-2\n");
    EXPECT_EQ(file(with_a_node_down(), "cpu/cpu1/topology/core_id"), std::nullopt);
    EXPECT_EQ(text(with_a_node_down(), "node/online"), "0,2\n");
}

TEST(ViewFiles, ANodeIsAPackage) {
    EXPECT_EQ(text(machine(), "cpu/cpu1/topology/physical_package_id"), "0\n");
    EXPECT_EQ(text(machine(), "cpu/cpu2/topology/physical_package_id"), "1\n");
    EXPECT_EQ(text(machine(), "cpu/cpu1/topology/core_siblings_list"), "0-1\n");
}

TEST(ViewFiles, WhatAFolderListsIsThere) {
    const Machine whole = machine();
    for (const char* path :
         {"proc", "cpu", "cpu/cpu2", "cpu/cpu2/topology", "node", "node/node1"}) {
        const std::vector<std::string> names = folder(whole, path).value();
        for (const std::string& name : names) {
            const std::string inside = std::string(path) + "/" + name;
            EXPECT_TRUE(file(whole, inside) || folder(whole, inside)) << inside;
        }
    }
}

TEST(ViewFiles, ThereIsNothingElse) {
    for (const char* path : {"proc/meminfo", "cpu/cpu3/online", "cpu/cpu/online",
                             "node/node2/cpulist", "cpu/cpu0/topology/x", "x"})
        EXPECT_FALSE(file(machine(), path) || folder(machine(), path)) << path;
}

TEST(ViewFiles, AReportTravels) {
    const Report there = decode_report(encode(report(2)));
    EXPECT_EQ(there.times, report(2).times);
    EXPECT_EQ(there.cpuinfo, report(2).cpuinfo);
    EXPECT_EQ(there.load, report(2).load);
}

TEST(ViewFiles, WhatIsNoReportIsRefused) {
    for (const char* text : {"", "{}", "[1]", "{\"cpus\": -1}"})
        EXPECT_THROW(decode_report(text), Error) << text;
}

}  // namespace
}  // namespace holon::ssi::view
