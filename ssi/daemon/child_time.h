// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPU time that programs have used on other nodes, for their parents.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "ssi/inject/injector.h"

namespace holon::ssi::daemon {

// The kernel at home adds up what the children of a process have used when they have been waited
// for (RUSAGE_CHILDREN; of one of them wait4), and knows nothing of other nodes. So each program
// says at its end what its bodies have used; of one that cannot, because a signal killed it or it
// executed another, the nodes say it that had them (ControlServer). Until it is known, those that
// ask wait, for a bounded time. When one of its ancestors asks, those in between must have ended
// and been waited for, as for the kernel. Thread-safe; bounded; forgets with the daemon.
class ChildTime {
  public:
    using UsedElsewhere = inject::UsedElsewhere;
    // How processes are known, as in ssi/inject/process.h: the parent, and the start time, which is
    // 0 when it is gone.
    struct Processes {
        std::function<pid_t(pid_t)> parent;
        std::function<std::uint64_t(pid_t)> started;
    };
    ChildTime();
    explicit ChildTime(Processes processes, std::chrono::milliseconds patience)
        : processes_(std::move(processes)), patience_(patience) {}

    // PROCESS has a body from now on. Each number that this returns is to be settled.
    std::uint64_t begin(pid_t process);
    // PROCESS has used that more than was said before.
    void add(pid_t process, const UsedElsewhere& used);
    // All that the process of that number had used is said, or with this, although it may be gone.
    void settle(std::uint64_t number, const UsedElsewhere& used = {});

    // What the children of PROCESS and theirs have used, as far as they have been waited for; of
    // CHILD and its children alone, if it is not 0, which was waited for last, or has just ended.
    UsedElsewhere of_children(pid_t process, pid_t child = 0);
    // A child of PROCESS, or one of theirs, has used something, or may, and was not waited for yet.
    bool expected(pid_t process);

    static constexpr std::size_t most_ancestors = 64, most_entries = 4096;

  private:
    struct Id {
        pid_t process;
        std::uint64_t started;
        bool operator==(const Id&) const = default;
    };
    struct Entry {
        std::vector<Id> line;  // the youngest that may still be there, its parent, and so on
        pid_t gone;            // that one's child, which was waited for, is counted; 0: itself
        UsedElsewhere used;
        std::uint64_t number = 0;  // what it has used is not known yet
    };
    class Look;

    std::vector<Id> line_of(pid_t process) const;
    void put(Entry entry);
    void advance_all();
    bool unsettled(const Id& asking);

    // A parent asks of one child right after it has waited for it: of more than these nobody can
    // tell the parts any more.
    static constexpr std::size_t most_single = 64;

    const Processes processes_;
    const std::chrono::milliseconds patience_;
    std::mutex mutex_;
    std::condition_variable settled_;
    std::list<Entry> entries_;  // the oldest first
    std::uint64_t next_ = 1;
};

}  // namespace holon::ssi::daemon
