// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/slurm_job.h"

#include <gtest/gtest.h>

namespace holon::node {
namespace {

TEST(SlurmJob, IsReadWithItsTimes) {
    const auto job = parse_job(
        "JobId=7 JobName=a JobState=RUNNING Reason=None Requeue=1 Restarts=0 BatchFlag=1 "
        "EndTime=1795467999 PreemptEligibleTime=1795467473 PreemptTime=1795467476 Partition=low "
        "AllocNode:Sid=ctl:0\n");
    EXPECT_EQ(job.state, "RUNNING");
    EXPECT_EQ(job.partition, "low");
    EXPECT_TRUE(job.batch);
    EXPECT_TRUE(job.requeue);
    EXPECT_EQ(job.preempted_at, 1795467476);
    EXPECT_EQ(job.ends_at, 1795467999);
}

TEST(SlurmJob, WithoutTimesHasNone) {
    const auto job = parse_job("JobId=7 JobState=RUNNING EndTime=Unknown PreemptTime=None");
    EXPECT_EQ(job.preempted_at, 0);
    EXPECT_EQ(job.ends_at, 0);
    EXPECT_FALSE(job.batch);
}

TEST(SlurmPartition, SaysWhatBecomesOfPreemptedJobs) {
    const auto low = parse_partition("PartitionName=low GraceTime=60 PreemptMode=GANG,REQUEUE\n");
    EXPECT_TRUE(low.requeues);
    EXPECT_EQ(low.grace_s, 60u);
    EXPECT_FALSE(parse_partition("PartitionName=x GraceTime=0 PreemptMode=CANCEL").requeues);
}

}  // namespace
}  // namespace holon::node
