// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/slurm_job.h"

#include <gtest/gtest.h>

#include "plugins/os/error.h"

namespace holon::node {
namespace {

TEST(SlurmJob, IsReadWithItsTimes) {
    const auto job =
        parse_job("7    7    N/A    RUNNING    1    1    1795467476    1795467999    low   \n", 7);
    EXPECT_EQ(job.name, "7");
    EXPECT_EQ(job.state, "RUNNING");
    EXPECT_EQ(job.partition, "low");
    EXPECT_TRUE(job.batch);
    EXPECT_TRUE(job.requeue);
    EXPECT_EQ(job.preempted_at, 1795467476);
    EXPECT_EQ(job.ends_at, 1795467999);
}

TEST(SlurmJob, WithoutTimesHasNone) {
    const auto job = parse_job("7 7 N/A RUNNING 0 0 N/A N/A main\n", 7);
    EXPECT_EQ(job.preempted_at, 0);
    EXPECT_EQ(job.ends_at, 0);
    EXPECT_FALSE(job.batch);
    EXPECT_FALSE(job.requeue);
}

TEST(SlurmJob, RunsWhileItIsBeingSignalled) {
    EXPECT_TRUE(parse_job("7 7 N/A RUNNING 1 1 N/A N/A main\n", 7).runs());
    EXPECT_TRUE(parse_job("7 7 N/A SIGNALING 1 1 N/A N/A main\n", 7).runs());
    EXPECT_FALSE(parse_job("7 7 N/A COMPLETING 1 1 N/A N/A main\n", 7).runs());
}

// `squeue -j 40` shows all tasks, and `scontrol requeue 40` would requeue all.
TEST(SlurmJob, OfAnArrayIsFoundAndNamedAsOneTask) {
    const char* shown =
        "40 40 2 RUNNING 1 1 N/A N/A main\n"
        "41 40 1 RUNNING 1 1 1795467476 N/A main\n";
    EXPECT_EQ(parse_job(shown, 40).name, "40_2");
    EXPECT_EQ(parse_job(shown, 41).name, "40_1");
    EXPECT_NE(parse_job(shown, 41).preempted_at, 0);
}

TEST(SlurmJob, ThatIsNotShownIsAnError) {
    EXPECT_THROW(parse_job("", 7), Error);
    EXPECT_THROW(parse_job("7 7 N/A\n", 7), Error);
    EXPECT_THROW(parse_job("8 8 N/A RUNNING 1 1 N/A N/A main\n", 7), Error);
}

TEST(SlurmPartition, SaysWhatBecomesOfPreemptedJobs) {
    const auto low = parse_partition("PartitionName=low GraceTime=60 PreemptMode=GANG,REQUEUE\n");
    EXPECT_TRUE(low.requeues);
    EXPECT_EQ(low.grace_s, 60u);
    EXPECT_FALSE(parse_partition("PartitionName=x GraceTime=0 PreemptMode=CANCEL").requeues);
}

}  // namespace
}  // namespace holon::node
