// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "select/shadow/host.h"

namespace holon::shadow {

// CPUs and memory that jobs hold on each node. The stock plugin keeps its own account, in
// structures that change with each release and that it does not show; this one is told of the same
// events at the same time, from what Slurm itself writes into a job when it starts. It is used to
// propose nodes, never to grant them: where it is wrong, the stock plugin refuses the proposal.
class Usage {
  public:
    // Forgets all and reads the jobs anew, as the stock plugin does at the same events.
    void rebuild(const Host& host);
    // The nodes are others from now on; rebuild() follows.
    void reset(std::size_t nodes);
    // What JOB holds from now on, in place of what it held.
    void note(const Host& host, const job_record_t& job);
    void forget(std::uint32_t job_id);

    std::uint32_t cpus(std::uint32_t node) const { return node < cpus_.size() ? cpus_[node] : 0; }
    std::uint64_t memory_mb(std::uint32_t node) const {
        return node < memory_mb_.size() ? memory_mb_[node] : 0;
    }

  private:
    struct Held {
        std::uint32_t node, cpus;
        std::uint64_t memory_mb;
    };
    std::vector<std::uint32_t> cpus_;
    std::vector<std::uint64_t> memory_mb_;
    std::unordered_map<std::uint32_t, std::vector<Held>> held_;  // by job id
};

}  // namespace holon::shadow
