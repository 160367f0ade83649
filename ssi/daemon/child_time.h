// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPU time that programs have used on other nodes, for their parents.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <vector>

#include "ssi/inject/injector.h"

namespace holon::ssi::daemon {

// The kernel at home adds up what the children of a process have used when they have been waited
// for (RUSAGE_CHILDREN), and knows nothing of other nodes. So each program says at its end what its
// bodies have used. Who its ancestors are is looked up then; later, when one of them asks, those in
// between must have ended and been waited for, as for the kernel. Thread-safe; bounded; forgets
// with the daemon.
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
    explicit ChildTime(Processes processes) : processes_(std::move(processes)) {}

    // PROCESS is about to end, and has used that more than it said before.
    void add(pid_t process, const UsedElsewhere& used);
    // What the children of PROCESS and theirs have used, as far as they have been waited for.
    UsedElsewhere of_children(pid_t process);

    static constexpr std::size_t most_ancestors = 64, most_entries = 4096;

  private:
    struct Id {
        pid_t process;
        std::uint64_t started;
        bool operator==(const Id&) const = default;
    };
    struct Entry {
        std::vector<Id> line;  // the youngest that may still be there, its parent, and so on
        bool gone;             // that one's child, which was waited for, is what is counted
        UsedElsewhere used;
    };

    void advance(Entry& entry);
    void put(Entry entry);
    void advance_all();

    const Processes processes_;
    std::mutex mutex_;
    std::list<Entry> entries_;
};

}  // namespace holon::ssi::daemon
