// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/readiness.h"

#include <unistd.h>

namespace holon::ssi::daemon {

void Readiness::up(std::uint32_t nodes) {
    const std::lock_guard lock(mutex_);
    if (!fd_.valid() || nodes < nodes_) return;
    // A reader that has gone does not want to know.
    [[maybe_unused]] const auto written = ::write(fd_.get(), "\n", 1);
    fd_.reset();
}

}  // namespace holon::ssi::daemon
