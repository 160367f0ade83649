// SPDX-License-Identifier: GPL-2.0-or-later
// What one job's first node asks of Slurm, with Slurm's own programs: rarely, and never from a
// timer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holon::node {

struct SlurmJob {
    std::string state;      // "RUNNING"
    std::string partition;  // that it runs in
    bool batch = false, requeue = false;
    std::int64_t preempted_at =
        0;                     // when its grace began, in seconds since the epoch; 0: it did not
    std::int64_t ends_at = 0;  // its time limit; 0: none, or not known
};
struct SlurmPartition {
    bool requeues = false;  // what is preempted there is requeued, not cancelled
    std::uint32_t grace_s = 0;
};

// Of `scontrol -o show …`, with times in seconds since the epoch.
SlurmJob parse_job(std::string_view line);
SlurmPartition parse_partition(std::string_view line);

// Each asks the controller once, and blocks. They throw where it does not answer or refuses.
SlurmJob ask_about_job(std::uint32_t job);
SlurmPartition ask_about_partition(const std::string& name);
void requeue(std::uint32_t job);

}  // namespace holon::node
