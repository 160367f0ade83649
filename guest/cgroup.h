// SPDX-License-Identifier: GPL-2.0-or-later
// A leaf of the cgroup v2 tree: the set of processes that a session consists of, wherever they have
// daemonised to.
#pragma once

#include <string>

#include "plugins/os/fd.h"

namespace holon::guest {

class Cgroup {
  public:
    Cgroup() = default;
    // Makes the directory PATH (its parent too); removed on destruction when it is empty by then.
    // Throws std::system_error.
    explicit Cgroup(std::string path);
    Cgroup(Cgroup&& other) noexcept { *this = std::move(other); }
    Cgroup& operator=(Cgroup&& other) noexcept;
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup() { remove(); }

    bool valid() const { return !path_.empty(); }
    // Moves the calling process into it; false on error. Async-signal-safe, for use between fork
    // and exec.
    bool join() const;
    // To every process of it, also to those that appear meanwhile.
    void signal(int number) const;
    void kill() const;
    bool populated() const;
    // Becomes EPOLLPRI when populated() may have changed, until populated() is asked.
    int events_fd() const { return events_.get(); }
    void remove();

  private:
    std::string path_;
    os::Fd procs_;
    os::Fd events_;
};

}  // namespace holon::guest
