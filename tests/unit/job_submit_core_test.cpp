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

// No checkpoints, and no word of Slurm's partitions.
class Nothing : public holon::job_submit::Checkpoints {
  public:
    bool known() const override { return false; }
    std::optional<holon::spec::Known> of_job(std::uint32_t) const override { return std::nullopt; }
    std::optional<holon::spec::Known> in_folder(std::string_view) const override {
        return std::nullopt;
    }
    holon::job_submit::Slurm slurm() const override { return {}; }
};

std::optional<Queued> submit(const std::vector<std::string>& environment, const Job& job = {}) {
    holon::spec::Limits limits;
    limits.images = {{"debian", 512}, {"tiny", 96}};
    return decide(environment, job, limits, seed, Nothing());
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
    EXPECT_THAT(line({option + "vm_tree=(null)"}), HasSubstr("vm_tree"));
    EXPECT_THAT(line({option + "vm_cluster=(null)", option + "vm_tree=(null)"}),
                HasSubstr("vm_tree"));
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

namespace {

using holon::spec::Limits;

std::optional<Queued> submit_to(const Limits& limits, const std::vector<std::string>& options,
                                const Job& job = {}) {
    std::vector<std::string> environment;
    for (const auto& text : options) environment.push_back(option + text);
    return decide(environment, job, limits, seed, Nothing());
}

std::string refusal(const Limits& limits, const std::vector<std::string>& options, const Job& job) {
    try {
        submit_to(limits, options, job);
        return "";
    } catch (const holon::Error& error) {
        return error.what();
    }
}

Limits with_rule(const Limits::Rule& rule) {
    Limits limits;
    limits.rules = {rule};
    return limits;
}

Job in_partition(const std::string& partition) {
    Job job;
    job.partition = partition;
    return job;
}

}  // namespace

TEST(JobSubmitRules, ALimitOfAPartitionHoldsThereAlone) {
    const Limits limits = with_rule({.partition = "debug", .max_vms = 2});
    EXPECT_THAT(refusal(limits, {"vm_cluster=3"}, in_partition("debug")),
                HasSubstr("at most 2 VMs"));
    EXPECT_EQ(refusal(limits, {"vm_cluster=2"}, in_partition("debug")), "");
    EXPECT_EQ(refusal(limits, {"vm_cluster=3"}, in_partition("long")), "");
}

TEST(JobSubmitRules, ALimitHoldsForAJobThatNamesThePartitionAmongOthers) {
    const Limits limits = with_rule({.partition = "debug", .max_vms = 2});
    EXPECT_NE(refusal(limits, {"vm_cluster=3"}, in_partition("long,debug")), "");
}

TEST(JobSubmitRules, ALimitOfAUserHoldsForHimAlone) {
    const Limits limits = with_rule({.user = "guest", .max_vm_cpus = 4});
    Job job;
    job.user = "guest";
    EXPECT_THAT(refusal(limits, {"vm_cluster=1", "vm_cpus=8"}, job), HasSubstr("at most 4 CPUs"));
    job.user = "alice";
    EXPECT_EQ(refusal(limits, {"vm_cluster=1", "vm_cpus=8"}, job), "");
}

TEST(JobSubmitRules, ALimitOfAnImageHoldsForTheSitesDefaultToo) {
    Limits limits = with_rule({.image = "tiny", .max_vm_memory_mb = 512});
    EXPECT_NE(refusal(limits, {"vm_cluster=1", "vm_mem=1G"}, {}), "");
    EXPECT_NE(refusal(limits, {"vm_cluster=1", "vm_mem=1G", "vm_image=tiny"}, {}), "");
    EXPECT_EQ(refusal(limits, {"vm_cluster=1", "vm_mem=1G", "vm_image=debian"}, {}), "");
}

TEST(JobSubmitRules, AllThatARuleNamesMustFit) {
    const Limits limits = with_rule({.partition = "debug", .user = "guest", .max_vms = 1});
    Job job = in_partition("debug");
    EXPECT_EQ(refusal(limits, {"vm_cluster=2"}, job), "");
    job.user = "guest";
    EXPECT_NE(refusal(limits, {"vm_cluster=2"}, job), "");
}

TEST(JobSubmitRules, OfSeveralRulesThatFitTheLastWins) {
    Limits limits = with_rule({.partition = "debug", .max_vms = 1});
    limits.rules.push_back({.partition = "debug", .max_vms = 4});
    EXPECT_EQ(refusal(limits, {"vm_cluster=4"}, in_partition("debug")), "");
}

TEST(JobSubmitRules, VmJobsCanBeForbidden) {
    const Limits limits = with_rule({.partition = "login", .allow = false});
    EXPECT_EQ(
        refusal(limits, {"vm_cluster="}, in_partition("login")),
        "--vm-*: this site takes no VM jobs in partition login; ask for another one, or none");
    EXPECT_EQ(refusal(limits, {"vm_cluster="}, in_partition("batch")), "");
}

TEST(JobSubmitRules, AVirtualSmpCanBeOfferedInOnePartition) {
    const Limits limits = with_rule({.partition = "smp", .allow_smp = true});
    EXPECT_EQ(refusal(limits, {"vm_smp="}, in_partition("smp")), "");
    EXPECT_NE(refusal(limits, {"vm_smp="}, in_partition("batch")), "");
}

TEST(JobSubmit, AVirtualSmpOfAtMostSoManyNodesLimitsTheJob) {
    Limits limits;
    limits.allow_smp = true;
    auto queued = submit_to(limits, {"vm_smp=4"});
    ASSERT_TRUE(queued);
    EXPECT_EQ(queued->max_nodes, 4u);
    EXPECT_EQ(spec_of(*queued).mode, holon::spec::Mode::smp);
    EXPECT_EQ(submit_to(limits, {"vm_smp="})->max_nodes, 32u);  // the engine's limit
}

namespace {

Limits with_reserve_added() {
    Limits limits;
    limits.memory_reserve_mb = 128;
    limits.add_memory_reserve = true;
    return limits;
}

}  // namespace

TEST(JobSubmitMemory, TheReserveIsAskedForOnTopWhereTheSiteSaysSo) {
    Job job;
    job.node_memory_mb = 1024;
    auto queued = submit_to(with_reserve_added(), {"vm_cluster="}, job);
    EXPECT_EQ(queued->node_memory_mb, 1152u);
    EXPECT_EQ(spec_of(*queued).node_memory_mb, 1152u);
}

TEST(JobSubmitMemory, TheReserveIsTakenOffOtherwise) {
    Limits limits;
    limits.memory_reserve_mb = 128;
    Job job;
    job.node_memory_mb = 1024;
    EXPECT_EQ(submit_to(limits, {"vm_cluster="}, job)->node_memory_mb, 0u);
}

TEST(JobSubmitMemory, EachVmOfANodeHasItsReserve) {
    Job job;
    job.node_memory_mb = 1024;
    job.min_nodes = job.max_nodes = 2;
    job.tasks_per_node = 3;
    EXPECT_EQ(submit_to(with_reserve_added(), {"vm_cluster=5"}, job)->node_memory_mb,
              1024u + 3 * 128);
}

TEST(JobSubmitMemory, MemoryPerCpuRisesByTheReservesShare) {
    Job job;
    job.cpu_memory_mb = 512;
    job.min_nodes = job.max_nodes = 1;
    job.tasks = 3;
    EXPECT_EQ(submit_to(with_reserve_added(), {"vm_cluster="}, job)->cpu_memory_mb, 512u + 43);
}

TEST(JobSubmitMemory, NothingIsAddedWhereTheVmsOfANodeAreNotKnown) {
    Job job;
    job.node_memory_mb = 4096;
    EXPECT_EQ(submit_to(with_reserve_added(), {"vm_cluster=3"}, job)->node_memory_mb, 0u);
}
