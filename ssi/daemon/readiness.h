// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <mutex>

#include "plugins/os/fd.h"

namespace holon::ssi::daemon {

// Tells whoever started the daemon, once, that it is what it was started for: a newline on a
// descriptor, which is then closed. The first node is when enough nodes are up, another when it has
// joined. Thread-safe.
class Readiness {
  public:
    Readiness() = default;
    // Owns FD. NODES: how many must be up, this one too.
    Readiness(os::Fd fd, std::uint32_t nodes) : fd_(std::move(fd)), nodes_(nodes) {}
    Readiness(Readiness&& other) noexcept : fd_(std::move(other.fd_)), nodes_(other.nodes_) {}

    void up(std::uint32_t nodes);

  private:
    std::mutex mutex_;
    os::Fd fd_;
    std::uint32_t nodes_ = 1;
};

}  // namespace holon::ssi::daemon
