// SPDX-License-Identifier: GPL-2.0-or-later
// What VMs of ended runs have used of this node: one line of JSON for each in a file, which
// outlives jobs and daemons. Slurm's accounting counts the tasks of a job, and its VMs are in none.
//
//   {"job":42,"restart":0,"uid":1000,"user":"alice","vm":"vm0","node":"n1","vcpus":2,
//    "memory_mb":384,"smp":false,"began":1795395600.1,"ended":1795395712.4,"cpu_s":104.2,
//    "peak_mb":502}                cpu_s and peak_mb are null of a VM whose QEMU had died before
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

namespace holon::node {

// Functions block, and may be called by any thread; throw Error where the file cannot be written or
// read.
class UsageLog {
  public:
    // FILE is made when it is written to. Above LIMIT bytes it becomes FILE.1, in place of the one
    // before.
    explicit UsageLog(std::filesystem::path file, std::uintmax_t limit = 8u << 20)
        : file_(std::move(file)), limit_(limit) {}

    void add(const std::vector<nlohmann::json>& records) const;
    // Those of JOB, the oldest first. Lines that are none, half written when the power went, are
    // passed over.
    std::vector<nlohmann::json> of_job(std::uint32_t job) const;

  private:
    std::filesystem::path file_;
    std::uintmax_t limit_;
    mutable std::mutex adding_;
};

}  // namespace holon::node
