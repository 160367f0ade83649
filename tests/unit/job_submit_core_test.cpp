// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/job_submit/core.h"
#include "plugins/os/error.h"

using holon::job_submit::cpus_per_node;
using holon::job_submit::decide;
using holon::job_submit::Job;
using holon::job_submit::Queued;
using holon::spec::from_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

const std::string seed(64, '7');
const std::string option = "_SLURM_SPANK_OPTION_holon_";

std::optional<Queued> submit(const std::vector<std::string>& environment, const Job& job = {}) {
    holon::spec::Limits limits;
    limits.images = {{"debian", 512}, {"tiny", 96}};
    return decide(environment, job, limits, seed);
}

std::string line(const std::vector<std::string>& environment, const Job& job = {}) {
    try {
        submit(environment, job);
        return "";
    } catch (const holon::Error& error) {
        return error.what();
    }
}

holon::spec::Spec spec_of(const Queued& queued) {
    for (const auto& entry : queued.environment)
        if (entry.starts_with("HOLON_SPEC=")) return from_json(entry.substr(11));
    throw holon::Error("no spec");
}

}  // namespace

TEST(JobSubmit, AJobWithoutOptionsIsNotTouched) {
    EXPECT_FALSE(submit({}));
    EXPECT_FALSE(submit({"_SLURM_SPANK_OPTION_other_x=1", "FOO=bar"}));
}

TEST(JobSubmit, TheOptionsBecomeOneSpecWithTheSeed) {
    auto queued = submit({"A=1", option + "vm_cluster=3", option + "vm_image=debian", "B=2"});
    ASSERT_TRUE(queued);
    EXPECT_TRUE(queued->in_vms);
    EXPECT_THAT(queued->environment, ElementsAre("A=1", "B=2", HasSubstr("HOLON_SPEC={")));
    auto spec = spec_of(*queued);
    EXPECT_EQ(spec.vm_count, 3u);
    EXPECT_EQ(spec.image, "debian");
    EXPECT_EQ(spec.seed, seed);
}

TEST(JobSubmit, TheEnvironmentNeverGrows) {
    for (const auto& environment : std::vector<std::vector<std::string>>{
             {option + "vm_cluster=(null)"}, {"A=1", option + "vm_cluster=2", option + "no_vm="}})
        EXPECT_LE(submit(environment)->environment.size(), environment.size());
}

TEST(JobSubmit, AForgedSpecIsRefused) {
    EXPECT_THAT(line({"HOLON_SPEC=x"}), HasSubstr("SLURM_SPANK_HOLON_SPEC"));
    EXPECT_THAT(line({"SPANK_HOLON_SPEC={}"}), HasSubstr("HOLON_SPEC"));
    EXPECT_THAT(line({option + "vm_cluster=1", "HOLON_SPEC={}"}), HasSubstr("HOLON_SPEC"));
}

TEST(JobSubmit, AForgedOptionIsRefused) {
    EXPECT_THAT(line({option + "vm_smp=(null)"}), HasSubstr("vm_smp"));
    EXPECT_THAT(line({option + "vm_cluster=(null)", option + "vm_smp=(null)"}),
                HasSubstr("vm_smp"));
    EXPECT_THAT(line({option + "vm_cluster=(null)", option + "vm_cpus=lots"}),
                AllOf(HasSubstr("--vm-cpus=lots"), HasSubstr("1 to 1024")));
}

TEST(JobSubmit, OptionsWithoutAModeAreRefused) {
    EXPECT_THAT(line({option + "vm_mem=1G"}),
                AllOf(HasSubstr("--vm-mem"), HasSubstr("--vm-cluster")));
}

TEST(JobSubmit, NoVmAloneIsAPlainJob) {
    auto queued = submit({"A=1", option + "no_vm=(null)"});
    ASSERT_TRUE(queued);
    EXPECT_FALSE(queued->in_vms);
    EXPECT_THAT(queued->environment, ElementsAre("A=1"));
}

TEST(JobSubmit, NoVmWithAModeKeepsTheScriptOnTheHost) {
    EXPECT_TRUE(
        spec_of(*submit({option + "vm_cluster=(null)", option + "no_vm=(null)"})).script_on_host);
}

TEST(JobSubmit, VmsWithoutANodeCountBoundTheNodesAndWantACpuEach) {
    Job job;
    job.min_cpus = 1;
    auto queued = submit({option + "vm_cluster=4", option + "vm_cpus=2"}, job);
    EXPECT_EQ(queued->max_nodes, 4u);
    EXPECT_EQ(queued->min_cpus, 8u);
    job.min_cpus = 20;
    EXPECT_EQ(submit({option + "vm_cluster=4"}, job)->min_cpus, 0u);
}

TEST(JobSubmit, ANodeCountStaysAsItIs) {
    Job job;
    job.min_nodes = job.max_nodes = 2;
    job.tasks_per_node = 2;
    auto queued = submit({option + "vm_cluster=4"}, job);
    EXPECT_EQ(queued->max_nodes, 0u);
    EXPECT_EQ(queued->min_cpus, 0u);
}

TEST(JobSubmit, ARangeOfNodesEndsAtTheVmCount) {
    Job job;
    job.min_nodes = 1;
    job.max_nodes = 8;
    EXPECT_EQ(submit({option + "vm_cluster=3"}, job)->max_nodes, 3u);
}

TEST(JobSubmit, FewerVmsThanNodesAreRefused) {
    Job job;
    job.min_nodes = job.max_nodes = 3;
    EXPECT_THAT(line({option + "vm_cluster=2"}, job), HasSubstr("2 VMs cannot cover 3 nodes"));
}

TEST(JobSubmit, MoreVmCpusThanAllocatedAreRefused) {
    Job job;
    job.min_nodes = job.max_nodes = 2;
    job.tasks_per_node = 2;
    EXPECT_THAT(line({option + "vm_cluster=(null)", option + "vm_cpus=3"}, job),
                HasSubstr("--vm-cpus=3"));
    job.whole_nodes = true;
    EXPECT_EQ(line({option + "vm_cluster=(null)", option + "vm_cpus=3"}, job), "");
}

TEST(JobSubmit, MemoryOfTheAllocationIsCheckedAgainstTheImage) {
    Job job;
    job.node_memory_mb = 300;
    EXPECT_THAT(line({option + "vm_cluster=(null)", option + "vm_image=debian"}, job),
                HasSubstr("--mem=300M"));
}

TEST(JobSubmit, CpusPerNodeAreKnownOnlyWhereTheyAreCertain) {
    Job job;
    EXPECT_EQ(cpus_per_node(job), 1u);  // sbatch with nothing: one task
    job.cpus_per_task = 4;
    job.min_cpus = 4;
    EXPECT_EQ(cpus_per_node(job), 4u);
    job = {};
    job.min_nodes = job.max_nodes = 3;
    job.min_cpus = 3;
    EXPECT_EQ(cpus_per_node(job), 1u);  // -N3: one task per node
    job.tasks = 6;
    job.min_cpus = 6;
    EXPECT_EQ(cpus_per_node(job), 0u);  // -N3 -n6: may be 4, 1, 1
    job.tasks_per_node = 2;
    EXPECT_EQ(cpus_per_node(job), 2u);
    job = {};
    job.tasks = 5;
    job.min_cpus = 5;
    EXPECT_EQ(cpus_per_node(job), 0u);
    job.min_nodes = job.max_nodes = 1;
    EXPECT_EQ(cpus_per_node(job), 5u);
    job.min_cpus = 9;
    EXPECT_EQ(cpus_per_node(job), 0u);
    job.min_cpus = 5;
    job.min_cpus_per_node = 7;
    EXPECT_EQ(cpus_per_node(job), 7u);
    job.whole_nodes = true;
    EXPECT_EQ(cpus_per_node(job), 0u);
}
