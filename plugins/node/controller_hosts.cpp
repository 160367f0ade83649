// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/controller_hosts.h"

#include <algorithm>

namespace holon::node {

std::vector<std::string> ControllerHosts::get(const Ask& ask, Clock::time_point now) {
    std::lock_guard lock(mutex_);
    if (!known_.empty() && now - asked_ < (doubtful_ ? doubted : lasts)) return known_;
    known_.clear();
    known_ = ask();
    asked_ = now;
    doubtful_ = false;
    return known_;
}

void ControllerHosts::none_answered() {
    std::lock_guard lock(mutex_);
    doubtful_ = true;
}

std::chrono::seconds until_next_report(unsigned failures, std::chrono::seconds heartbeat) {
    if (failures == 0) return heartbeat;
    constexpr std::chrono::seconds first{5};
    return std::min(heartbeat, first * (1 << std::min(failures - 1, 10u)));
}

}  // namespace holon::node
