// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/slurm_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "plugins/os/error.h"
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

// 0 for "N/A" and "Unknown".
std::int64_t time_of(const std::string& word) {
    constexpr std::int64_t most = std::int64_t{1} << 40;
    return std::clamp<std::int64_t>(std::strtoll(word.c_str(), nullptr, 10), 0, most);
}

}  // namespace

SlurmJob parse_job(std::string_view text, std::uint32_t id) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string job_id, array, task, batch, requeue, preempted, ends;
        SlurmJob job;
        words >> job_id >> array >> task >> job.state >> batch >> requeue >> preempted >> ends >>
            job.partition;
        if (!words || job_id != std::to_string(id)) continue;
        const bool of_array = !task.empty() && task.find_first_not_of("0123456789") == task.npos;
        job.name = of_array ? array + "_" + task : job_id;
        job.batch = batch == "1";
        job.requeue = requeue == "1";
        job.preempted_at = time_of(preempted);
        job.ends_at = time_of(ends);
        return job;
    }
    throw Error("Slurm knows no job {} any more", id);
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
        os::run_checked({"squeue", "-h", "-t", "all", "-j", std::to_string(job), "-O", job_columns},
                        options()),
        job);
}

SlurmPartition ask_about_partition(const std::string& name) {
    if (name.starts_with('-')) throw Error("'{}' is no partition", name);
    return parse_partition(
        os::run_checked({"scontrol", "-o", "show", "partition", name}, options()));
}

void requeue(const SlurmJob& job) { os::run_checked({"scontrol", "requeue", job.name}, options()); }

}  // namespace holon::node
