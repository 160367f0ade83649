// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace holon::node {

// ControllerHosts remembers on which hosts slurmctld runs. Thousands of nodes report twice a
// minute: asking Slurm each time would be more work for slurmctld than all else that Holon asks of
// it. Any thread.
class ControllerHosts {
  public:
    using Clock = std::chrono::steady_clock;
    using Ask = std::function<std::vector<std::string>()>;
    // After so long Slurm is asked again, whatever happens.
    static constexpr std::chrono::minutes lasts{10};
    // After so long it is asked again where none of the hosts took a report.
    static constexpr std::chrono::minutes doubted{1};

    // ASK asks Slurm, and throws where it does not answer; what was known is then thrown away.
    std::vector<std::string> get(const Ask& ask, Clock::time_point now = Clock::now());
    void none_answered();

  private:
    std::mutex mutex_;
    std::vector<std::string> known_;
    Clock::time_point asked_;
    bool doubtful_ = false;
};

// How long to wait for the next report after FAILURES in a row that no controller took: longer each
// time, at most HEARTBEAT, so that a controller that comes back is not met by all nodes at once.
std::chrono::seconds until_next_report(unsigned failures, std::chrono::seconds heartbeat);

}  // namespace holon::node
