// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/job_submit/core.h"
#include "plugins/os/error.h"

namespace holon::job_submit {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string option = "_SLURM_SPANK_OPTION_holon_";

// alice (uid 1000) has a checkpoint of job 42; the partition "low" is preempted.
class Site : public Checkpoints {
  public:
    bool daemon = true;
    bool known() const override { return daemon; }
    std::optional<spec::Known> of_job(std::uint32_t job) const override {
        if (job != 42) return std::nullopt;
        spec::Known known;
        known.job = 42;
        known.uid = 1000;
        known.image = "debian";
        known.folder = "/home/alice/c/42";
        known.vms = {{6, 600}, {5, 500}, {3, 300}, {1, 100}};
        return known;
    }
    std::optional<spec::Known> in_folder(std::string_view folder) const override {
        return folder == "/home/alice/c/42" ? of_job(42) : std::nullopt;
    }
    Slurm slurm() const override {
        Slurm slurm{{{"low", 10, true}, {"high", 0, false}}, {}};
        slurm.saving.user_signal_sent = true;
        return slurm;
    }
};

Job batch() {
    Job job;
    job.uid = 1000;
    job.life.batch = true;
    job.partition = "high";
    job.work_dir = "/home/alice";
    return job;
}

Queued submit(std::vector<std::string> options, const Job& job = batch(), const Site& site = {}) {
    for (auto& one : options) one = option + one;
    spec::Limits limits;
    limits.memory_reserve_mb = 100;
    return decide(options, job, limits, std::string(64, '7'), site).value();
}

std::string line(const std::vector<std::string>& options, const Job& job = batch(),
                 const Site& site = {}) {
    try {
        submit(options, job, site);
        return "";
    } catch (const Error& error) {
        return error.what();
    }
}

spec::Spec spec_of(const Queued& queued) {
    return spec::from_json(queued.environment.back().substr(std::string("HOLON_SPEC=").size()));
}

TEST(Restart, AsksForSlotsOfTheLargestVmAsTasks) {
    const Queued queued = submit({"vm_restart=42"});
    // {6}, {5, 1}, {3}
    EXPECT_EQ(queued.tasks, 3u);
    EXPECT_EQ(queued.cpus_per_task, 6u);
    EXPECT_EQ(queued.min_cpus, 18u);
    EXPECT_EQ(queued.max_nodes, 3u);
    // {5, 1} needs most: 500 + 100, and QEMU's 100 for each
    EXPECT_EQ(queued.cpu_memory_mb, 134u);
    const auto spec = spec_of(queued);
    ASSERT_TRUE(spec.restart);
    EXPECT_EQ(spec.restart->job, 42u);
    EXPECT_EQ(spec.restart->number, 0u);
    EXPECT_EQ(spec.image, "debian");
}

TEST(Restart, AppendsToTheOutputThatIsThere) {
    Queued queued = submit({"vm_restart=42"});
    EXPECT_EQ(queued.open_mode, OpenMode::append);
    EXPECT_TRUE(spec_of(queued).wished_truncate);
    EXPECT_FALSE(queued.requeue);
    Job job = batch();
    job.life.open_mode = OpenMode::append;
    queued = submit({"vm_restart=42"}, job);
    EXPECT_FALSE(queued.open_mode);
    EXPECT_FALSE(spec_of(queued).wished_truncate);
}

TEST(Restart, NamesAFolderOrOneCheckpointInIt) {
    EXPECT_EQ(spec_of(submit({"vm_restart=/home/alice/c/42"})).restart->number, 0u);
    EXPECT_EQ(spec_of(submit({"vm_restart=./c/42/"})).restart->number, 0u);
    EXPECT_EQ(spec_of(submit({"vm_restart=/home/alice/c/42/3"})).restart->number, 3u);
    EXPECT_THAT(line({"vm_restart=/home/alice/c/42/0"}), HasSubstr("no checkpoint of yours"));
    EXPECT_THAT(line({"vm_restart=/home/alice/c"}), HasSubstr("no checkpoint of yours"));
}

TEST(Restart, OfAnUnknownJobOrAnotherUsersIsRefusedInTheSameWords) {
    EXPECT_THAT(line({"vm_restart=43"}), HasSubstr("no checkpoint of yours"));
    Job bob = batch();
    bob.uid = 1001;
    EXPECT_THAT(line({"vm_restart=42"}, bob), HasSubstr("no checkpoint of yours"));
}

TEST(Restart, SaysWhenNothingIsKnownNow) {
    Site silent;
    silent.daemon = false;
    EXPECT_THAT(line({"vm_restart=42"}, batch(), silent), HasSubstr("holond --controller"));
}

TEST(Restart, IsForBatchJobs) {
    Job interactive = batch();
    interactive.life.batch = false;
    EXPECT_THAT(line({"vm_restart=42"}, interactive), HasSubstr("for sbatch only"));
}

TEST(Restart, RefusesNumbersThatItsVmsCannotHave) {
    Job job = batch();
    job.min_nodes = 4;
    EXPECT_THAT(line({"vm_restart=42"}, job), HasSubstr("leave out --nodes=4"));
    job = batch();
    job.cpus_per_task = 2;
    EXPECT_THAT(line({"vm_restart=42"}, job), HasSubstr("leave out --cpus-per-task=2"));
    EXPECT_THAT(line({"vm_restart=42", "vm_mem=1G"}), HasSubstr("--vm-mem"));
}

TEST(Checkpoints, MakeAJobOneThatIsRequeuedAndAppends) {
    Job job = batch();
    job.life.requeue = false;
    const Queued queued = submit({"vm_cluster=2", "vm_checkpoint=30"}, job);
    EXPECT_EQ(queued.requeue, true);
    EXPECT_EQ(queued.open_mode, OpenMode::append);
    EXPECT_THAT(queued.warnings, IsEmpty());
    const auto spec = spec_of(queued);
    EXPECT_TRUE(spec.wished_no_requeue);
    EXPECT_TRUE(spec.wished_truncate);
    EXPECT_EQ(spec.checkpoint_every_s, 1800u);
}

TEST(Checkpoints, ThatAreNotAskedForChangeNothing) {
    const Queued queued = submit({"vm_cluster=2", "vm_checkpoint_dir=/c"});
    EXPECT_FALSE(queued.requeue);
    EXPECT_FALSE(queued.open_mode);
}

TEST(Checkpoints, AreMadeOfAJobThatIsPreemptedBecauseItsScriptIsSignalled) {
    Job job = batch();
    job.partition = "high,low";
    job.node_memory_mb = 1000;
    const Queued queued = submit({"vm_cluster", "vm_checkpoint=30"}, job);
    EXPECT_THAT(queued.warnings, IsEmpty());
    EXPECT_EQ(queued.signal, (Saving::Signal{10, 4}));
    EXPECT_EQ(spec_of(queued).warn_signal, 10u);
    EXPECT_TRUE(spec_of(queued).warn_signal_is_ours);
}

TEST(Checkpoints, WarnWhereTheGraceIsTooShort) {
    Job job = batch();
    job.partition = "low";
    job.node_memory_mb = 10'000;
    const Queued queued = submit({"vm_cluster", "vm_checkpoint=30"}, job);
    ASSERT_EQ(queued.warnings.size(), 1u);
    EXPECT_THAT(queued.warnings[0], HasSubstr("its GraceTime of 10 s is shorter than the 22 s"));
}

TEST(Checkpoints, LeaveTheUsersOwnSignalAsItIs) {
    Job job = batch();
    job.partition = "low";
    job.life.signal = 15;
    job.life.signal_batch = true;
    const Queued queued = submit({"vm_cluster", "vm_checkpoint=30"}, job);
    EXPECT_FALSE(queued.signal);
    EXPECT_EQ(spec_of(queued).warn_signal, 15u);
    EXPECT_FALSE(spec_of(queued).warn_signal_is_ours);
}

}  // namespace
}  // namespace holon::job_submit
