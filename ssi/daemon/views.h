// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first node's end of the views (ssi/view): starts their server, tells it what the nodes
// report, and puts the views into mount namespaces of programs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>

#include "plugins/os/fd.h"
#include "ssi/view/report.h"

namespace holon::ssi::daemon {

// Thread-safe but for its construction, which must come before there are threads. Where the server
// cannot be had, or ends, programs see the home's own files; nothing else depends on it.
class Views {
  public:
    explicit Views(std::uint32_t home_cpus);

    void tell(std::uint32_t node, const view::Report& report) const;
    // Mounts the views in the mount namespace of PROCESS, which waits at SOCKET and is root's.
    // Throws Error.
    void give(pid_t process, int socket) const;

  private:
    os::Fd socket_, space_;
    mutable std::mutex mutex_;
};

}  // namespace holon::ssi::daemon
