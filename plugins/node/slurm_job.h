// SPDX-License-Identifier: GPL-2.0-or-later
// What one job's first node asks of Slurm, with Slurm's own programs: rarely, and never from a
// timer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holon::node {

struct SlurmJob {
    std::string name;   // as Slurm's commands take it for this job alone: "42", of an array "40_2"
    std::string state;  // "RUNNING"
    std::string partition;  // that it runs in
    // It says SIGNALING for the moment in which its script is sent a warning.
    bool runs() const { return state == "RUNNING" || state == "SIGNALING"; }
    bool batch = false, requeue = false;
    std::int64_t preempted_at =
        0;                     // when its grace began, in seconds since the epoch; 0: it did not
    std::int64_t ends_at = 0;  // its time limit; 0: none, or not known
};
struct SlurmPartition {
    bool requeues = false;  // what is preempted there is requeued, not cancelled
    std::uint32_t grace_s = 0;
};

// Of squeue, in columns (job_columns) in which no text of a user's stands, with times in seconds
// since the epoch. With the id of an array's first task it shows all of the array. Throws where job
// ID is not there.
inline constexpr const char* job_columns =
    "JobID:16,ArrayJobID:16,ArrayTaskID:16,State:24,BatchFlag:8,Requeue:8,PreemptTime:24,EndTime:"
    "24,Partition:256";
SlurmJob parse_job(std::string_view text, std::uint32_t id);
// Of `scontrol -o show partition`.
SlurmPartition parse_partition(std::string_view line);

// Each asks the controller once, and blocks. They throw where it does not answer or refuses.
SlurmJob ask_about_job(std::uint32_t job);
SlurmPartition ask_about_partition(const std::string& name);
void requeue(const SlurmJob& job);

}  // namespace holon::node
