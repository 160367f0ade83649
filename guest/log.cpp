// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/log.h"

#include <unistd.h>

namespace holon::guest {
namespace {
int log_fd = -1;
}

void log_to(int fd) { log_fd = fd; }

void log(const std::string& line) {
    if (log_fd < 0) return;
    const auto text = "holon-guest: " + line + "\n";
    // One write: lines of the kernel and ours do not mix. A console nobody reads must not stop the
    // agent.
    [[maybe_unused]] const auto written = ::write(log_fd, text.data(), text.size());
}

}  // namespace holon::guest
