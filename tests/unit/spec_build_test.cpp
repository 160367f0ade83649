// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/os/error.h"
#include "plugins/spec/spec.h"

namespace spec = holon::spec;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

namespace {

spec::Limits site() {
    spec::Limits limits;
    limits.max_vms = 100;
    limits.max_vm_cpus = 64;
    limits.max_boot_timeout_s = 600;
    limits.images = {{"debian", 512}, {"tiny", 96}};
    return limits;
}

// The line the user reads; empty where the request was accepted.
std::string line(const spec::Given& given, const spec::Limits& limits = site(),
                 const spec::Request& request = {}) {
    try {
        spec::build(given, limits, request);
        return "";
    } catch (const holon::Error& error) {
        EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
        return error.what();
    }
}

}  // namespace

TEST(SpecBuild, PlainClusterTakesTheSitesDefaults) {
    auto s = spec::build({{"vm-cluster", ""}}, site(), {});
    EXPECT_EQ(s.mode, spec::Mode::cluster);
    EXPECT_EQ(s.vm_count, 0u);
    EXPECT_EQ(s.image, "tiny");
    EXPECT_EQ(s.vm_cpus, 0u);
    EXPECT_EQ(s.vm_memory_mb, 0u);
    EXPECT_EQ(s.network, spec::Network::private_);
    EXPECT_EQ(s.boot_timeout_s, 0u);
    EXPECT_FALSE(s.script_on_host);
}

TEST(SpecBuild, EveryOptionReachesItsField) {
    spec::Request request;
    request.work_dir = "/home/alice";
    request.cpu_memory_mb = 700;
    auto s = spec::build({{"vm-cluster", "4"},
                          {"vm-image", "debian"},
                          {"vm-cpus", "2"},
                          {"vm-mem", "1G"},
                          {"vm-network", "none"},
                          {"vm-boot-timeout", "2:30"},
                          {"no-vm", ""}},
                         site(), request);
    EXPECT_EQ(s.vm_count, 4u);
    EXPECT_EQ(s.image, "debian");
    EXPECT_EQ(s.vm_cpus, 2u);
    EXPECT_EQ(s.vm_memory_mb, 1024u);
    EXPECT_EQ(s.network, spec::Network::none);
    EXPECT_EQ(s.boot_timeout_s, 150u);
    EXPECT_TRUE(s.script_on_host);
    EXPECT_EQ(s.submit_dir, "/home/alice");
    EXPECT_EQ(s.cpu_memory_mb, 700u);
}

TEST(SpecBuild, OptionsWithoutAModeNameTheMode) {
    EXPECT_THAT(line({{"vm-image", "tiny"}}),
                AllOf(HasSubstr("--vm-image"), HasSubstr("--vm-cluster")));
}

TEST(SpecBuild, GarbageIsRefusedBeforeAnythingElse) {
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-cpus", "0"}}),
              "--vm-cpus=0: not accepted; give a whole number from 1 to 1024");
}

TEST(SpecBuild, AVirtualSmpIsRefusedWhereTheSiteDoesNotOfferIt) {
    EXPECT_THAT(line({{"vm-smp", ""}}), HasSubstr("--vm-smp: not offered here"));
    spec::Limits limits = site();
    limits.allow_smp = true;
    EXPECT_EQ(spec::build({{"vm-smp", ""}}, limits, {}).mode, spec::Mode::smp);
}

TEST(SpecBuild, TheVmsOfAVirtualSmpHaveNoSizeOfTheirOwn) {
    spec::Limits limits = site();
    limits.allow_smp = true;
    EXPECT_THAT(line({{"vm-smp", ""}, {"vm-cpus", "2"}}, limits), HasSubstr("--vm-cpus"));
    EXPECT_THAT(line({{"vm-smp", ""}, {"vm-mem", "1G"}}, limits), HasSubstr("--vm-mem"));
}

TEST(SpecBuild, AVirtualSmpOfFewerNodesThanTheJobWantsIsRefused) {
    spec::Limits limits = site();
    limits.allow_smp = true;
    spec::Request request;
    request.min_nodes = 3;
    EXPECT_THAT(line({{"vm-smp", "2"}}, limits, request), HasSubstr("--vm-smp=2"));
    EXPECT_EQ(line({{"vm-smp", "3"}}, limits, request), "");
}

TEST(SpecBuild, AVirtualSmpHasAsManyNodesAsTheSiteAndTheEngineAllow) {
    spec::Limits limits = site();
    limits.allow_smp = true;
    spec::Request request;
    EXPECT_THAT(line({{"vm-smp", "33"}}, limits),
                HasSubstr("--vm-smp=33: a virtual SMP may have 32"));
    request.min_nodes = 33;
    EXPECT_THAT(line({{"vm-smp", ""}}, limits, request), HasSubstr("at least 33 nodes"));
    limits.max_smp_nodes = 4;
    EXPECT_EQ(spec::most_smp_nodes({{"vm-smp", ""}}, limits, {}), 4u);
    EXPECT_EQ(spec::most_smp_nodes({{"vm-smp", "3"}}, limits, {}), 3u);
    EXPECT_THAT(line({{"vm-smp", "5"}}, limits), HasSubstr("may have 4 nodes here"));
}

TEST(SpecBuild, WhatDealsTasksToNodesMeansNothingOnAVirtualSmp) {
    spec::Limits limits = site();
    limits.allow_smp = true;
    spec::Request request;
    request.tasks_per_node = true;
    EXPECT_THAT(line({{"vm-smp", ""}}, limits, request), HasSubstr("--ntasks-per-node"));
    EXPECT_EQ(line({{"vm-cluster", ""}}, limits, request), "");
    request = {};
    request.distribution = true;
    EXPECT_THAT(line({{"vm-smp", ""}}, limits, request), HasSubstr("--distribution"));
    EXPECT_EQ(line({{"vm-cluster", ""}}, limits, request), "");
}

TEST(SpecBuild, AVirtualSmpNeedsItsNetwork) {
    spec::Limits limits = site();
    limits.allow_smp = true;
    EXPECT_THAT(line({{"vm-smp", ""}, {"vm-network", "none"}}, limits),
                HasSubstr("--vm-network=none"));
}

TEST(SpecBuild, TwoModesAreRefused) {
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-smp", ""}}), HasSubstr("--vm-smp"));
}

TEST(SpecBuild, FewerVmsThanNodesAreRefused) {
    spec::Request request;
    request.min_nodes = 3;
    EXPECT_THAT(line({{"vm-cluster", "2"}}, site(), request),
                HasSubstr("2 VMs cannot cover 3 nodes"));
    EXPECT_EQ(line({{"vm-cluster", "3"}}, site(), request), "");
}

TEST(SpecBuild, MoreVmsThanTheSiteAllowsAreRefused) {
    EXPECT_THAT(line({{"vm-cluster", "101"}}), AllOf(HasSubstr("--vm-cluster"), HasSubstr("100")));
    spec::Request request;
    request.min_nodes = 101;
    EXPECT_THAT(line({{"vm-cluster", ""}}, site(), request), HasSubstr("100"));
    spec::Limits open = site();
    open.max_vms = 0;
    request.min_nodes = request.max_nodes = spec::max_vms + 1;
    EXPECT_THAT(line({{"vm-cluster", ""}}, open, request), HasSubstr("at most 4096 VMs"));
}

TEST(SpecBuild, MoreCpusThanTheSiteAllowsAreRefused) {
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-cpus", "65"}}),
                AllOf(HasSubstr("--vm-cpus=65"), HasSubstr("64")));
}

TEST(SpecBuild, MoreCpusThanTheAllocationHasAreRefused) {
    spec::Request request;
    request.cpus_per_node = 4;
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-cpus", "8"}}, site(), request),
                AllOf(HasSubstr("--vm-cpus=8"), HasSubstr("at most 4")));
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-cpus", "4"}}, site(), request), "");
}

TEST(SpecBuild, VmsThatMustShareANodeAreCountedTogether) {
    spec::Request request;
    request.cpus_per_node = 4;
    request.max_nodes = 2;
    EXPECT_THAT(line({{"vm-cluster", "5"}, {"vm-cpus", "2"}}, site(), request),
                AllOf(HasSubstr("3 VMs"), HasSubstr("6 CPUs")));
    EXPECT_EQ(line({{"vm-cluster", "4"}, {"vm-cpus", "2"}}, site(), request), "");
    EXPECT_THAT(line({{"vm-cluster", "9"}}, site(), request), HasSubstr("--vm-cluster=9"));
}

TEST(SpecBuild, AnUnknownImageNamesTheImagesKnown) {
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-image", "rocky9"}}),
              "--vm-image=rocky9: no such image; images known here: debian, tiny");
}

TEST(SpecBuild, WithoutACatalogueImagesAreNotChecked) {
    auto limits = site();
    limits.images.clear();
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-image", "rocky9"}}, limits), "");
}

TEST(SpecBuild, AMissingDefaultImageIsSaidToBeTheSites) {
    auto limits = site();
    limits.default_image = "gone";
    EXPECT_THAT(line({{"vm-cluster", ""}}, limits), HasSubstr("default 'gone' is missing"));
}

TEST(SpecBuild, MemoryBelowTheImagesMinimumIsRefused) {
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-image", "debian"}, {"vm-mem", "256M"}}),
              "--vm-mem=256M: image 'debian' needs at least 512M");
}

TEST(SpecBuild, AnAllocationBelowTheImagesMinimumIsRefused) {
    spec::Request request;
    request.node_memory_mb = 500;
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-image", "debian"}}, site(), request),
                AllOf(HasSubstr("--mem=500M"), HasSubstr("debian"), HasSubstr("512M")));
    request.node_memory_mb = 512;
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-image", "debian"}}, site(), request), "");
}

TEST(SpecBuild, TheReservePerVmIsPartOfTheMemory) {
    auto limits = site();
    limits.memory_reserve_mb = 128;
    spec::Request request;
    request.node_memory_mb = 600;
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-mem", "512M"}}, limits, request),
                AllOf(HasSubstr("--vm-mem=512M"), HasSubstr("640M")));
    request.node_memory_mb = 640;
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-mem", "512M"}}, limits, request), "");
}

TEST(SpecBuild, MemoryPerCpuCountsWhereTheCpusAreKnown) {
    spec::Request request;
    request.cpu_memory_mb = 100;
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-image", "debian"}}, site(), request), "");
    request.cpus_per_node = 2;
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-image", "debian"}}, site(), request),
                HasSubstr("--mem-per-cpu=100M"));
}

TEST(SpecBuild, MemoryAboveTheSitesLimitIsRefused) {
    auto limits = site();
    limits.max_vm_memory_mb = 1024;
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-mem", "2G"}}, limits), HasSubstr("at most 1024M"));
}

TEST(SpecBuild, ABootTimeoutAboveTheSitesLimitIsRefused) {
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-boot-timeout", "11"}}),
                AllOf(HasSubstr("--vm-boot-timeout=11"), HasSubstr("600 seconds")));
}

TEST(SpecBuild, ARelativeImageStartsAtTheSubmitDirectory) {
    spec::Request request;
    request.work_dir = "/home/alice";
    EXPECT_EQ(spec::build({{"vm-cluster", ""}, {"vm-image", "./d.qcow2"}}, site(), request).image,
              "/home/alice/d.qcow2");
    EXPECT_EQ(spec::build({{"vm-cluster", ""}, {"vm-image", "../d.qcow2"}}, site(), request).image,
              "/home/alice/../d.qcow2");
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-image", "./d.qcow2"}}), HasSubstr("absolute path"));
}

TEST(SpecBuild, FilesAreRefusedWhereTheSiteAllowsOnlyItsCatalogue) {
    auto limits = site();
    limits.allow_user_files = false;
    EXPECT_THAT(line({{"vm-cluster", ""}, {"vm-image", "/x.qcow2"}}, limits),
                HasSubstr("holon image list"));
    EXPECT_EQ(line({{"vm-cluster", ""}, {"vm-image", "/x.qcow2"}}), "");
}

TEST(SpecBuild, AWorkingDirectoryThatNoJsonCanHoldIsLeftOut) {
    spec::Request request;
    request.work_dir = "/\xff";
    EXPECT_EQ(spec::build({{"vm-cluster", ""}}, site(), request).submit_dir, "");
}

TEST(SpecBuild, WhatIsToldOfCheckpointsIsInTheSpec) {
    spec::Request request;
    request.work_dir = "/home/alice";
    auto s = spec::build(
        {{"vm-cluster", ""}, {"vm-checkpoint", "1:30:00"}, {"vm-checkpoint-dir", "./c"}}, site(),
        request);
    EXPECT_TRUE(s.checkpoints);
    EXPECT_EQ(s.checkpoint_every_s, 5400u);
    EXPECT_EQ(s.checkpoint_dir, "/home/alice/c");
    s = spec::build({{"vm-cluster", ""}, {"vm-checkpoint", ""}}, site(), request);
    EXPECT_TRUE(s.checkpoints);
    EXPECT_EQ(s.checkpoint_every_s, 0u);
    s = spec::build({{"vm-cluster", ""}, {"vm-checkpoint-before", "5"}}, site(), request);
    EXPECT_TRUE(s.checkpoints);
    EXPECT_EQ(s.checkpoint_before_s, 300u);
    EXPECT_FALSE(spec::build({{"vm-cluster", ""}}, site(), request).checkpoints);
}

namespace {

spec::Known saved() {
    spec::Known known;
    known.job = 42;
    known.mode = spec::Mode::smp;
    known.network = spec::Network::none;
    known.image = "debian";
    known.folder = "/home/alice/c/42";
    known.vms = {{3, 512}, {5, 1024}};
    return known;
}

std::string restart_line(const spec::Given& given, const spec::Limits& limits = site()) {
    try {
        spec::build_restart(given, limits, {}, saved(), {42, 0, ""});
        return "";
    } catch (const holon::Error& error) {
        return error.what();
    }
}

}  // namespace

TEST(SpecRestart, IsOfTheCheckpointsVmsAndNothingElse) {
    const auto s = spec::build_restart({{"vm-restart", "42"}, {"vm-boot-timeout", "5"}}, site(), {},
                                       saved(), {42, 0, ""});
    EXPECT_EQ(s.mode, spec::Mode::smp);
    EXPECT_EQ(s.network, spec::Network::none);
    EXPECT_EQ(s.image, "debian");
    EXPECT_EQ(s.vm_count, 2u);
    EXPECT_EQ(s.boot_timeout_s, 300u);
    ASSERT_TRUE(s.restart);
    EXPECT_EQ(s.restart->folder, "/home/alice/c/42");
    EXPECT_EQ(s.restart->number, 0u);
    EXPECT_EQ(s.restart->vms, saved().vms);
    for (const char* option : {"vm-cluster", "vm-smp", "vm-cpus", "vm-mem", "no-vm"})
        EXPECT_THAT(restart_line({{"vm-restart", "42"}, {option, option[3] == 'c' ? "2" : ""}}),
                    testing::AnyOf(HasSubstr("leave it out"), HasSubstr("not accepted")))
            << option;
    auto limits = site();
    limits.max_vms = 1;
    EXPECT_THAT(restart_line({{"vm-restart", "42"}}, limits), HasSubstr("at most 1 now"));
}

TEST(SpecRestart, ANameIsAJobOrAnAbsoluteFolder) {
    EXPECT_EQ(spec::restart_name("42", "/home").job, 42u);
    EXPECT_EQ(spec::restart_name("./c/42/", "/home/alice").folder, "/home/alice/c/42");
    EXPECT_EQ(spec::restart_name("/c/42", "").folder, "/c/42");
    EXPECT_THROW(spec::restart_name("./c", ""), holon::Error);
}
