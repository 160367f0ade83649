// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/slurm_job.h"

#include <fmt/format.h>

#include <cstdlib>

#include "plugins/os/process.h"
#include "plugins/os/slurm.h"

namespace holon::node {
namespace {

os::RunOptions options() {
    os::RunOptions options;
    options.env = os::slurm_environment();
    options.env.push_back("SLURM_TIME_FORMAT=%s");
    options.timeout = std::chrono::seconds(20);  // it hangs where slurmctld is away
    return options;
}

// 0 for "None", "Unknown" and "N/A".
std::int64_t time_of(std::string_view line, std::string_view key) {
    return std::strtoll(os::word_of(line, key).c_str(), nullptr, 10);
}

}  // namespace

SlurmJob parse_job(std::string_view line) {
    line = line.substr(0, line.find('\n'));
    SlurmJob job;
    job.state = os::word_of(line, "JobState");
    job.partition = os::word_of(line, "Partition");
    job.batch = os::word_of(line, "BatchFlag") == "1";
    job.requeue = os::word_of(line, "Requeue") == "1";
    job.preempted_at = time_of(line, "PreemptTime");
    job.ends_at = time_of(line, "EndTime");
    return job;
}

SlurmPartition parse_partition(std::string_view line) {
    SlurmPartition partition;
    partition.requeues = os::word_of(line, "PreemptMode").find("REQUEUE") != std::string::npos;
    partition.grace_s = static_cast<std::uint32_t>(
        std::strtoul(os::word_of(line, "GraceTime").c_str(), nullptr, 10));
    return partition;
}

SlurmJob ask_about_job(std::uint32_t job) {
    return parse_job(
        os::run_checked({"scontrol", "-o", "show", "job", std::to_string(job)}, options()));
}

SlurmPartition ask_about_partition(const std::string& name) {
    return parse_partition(
        os::run_checked({"scontrol", "-o", "show", "partition", name}, options()));
}

void requeue(std::uint32_t job) {
    os::run_checked({"scontrol", "requeue", std::to_string(job)}, options());
}

}  // namespace holon::node
