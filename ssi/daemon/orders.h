// SPDX-License-Identifier: GPL-2.0-or-later
//
// What users ask of a running program: to move a thread, to record what it does.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/os/fd.h"

namespace holon::ssi::daemon {

// One program's socket for orders (ssi/control/control.h) and the memory that it records into. The
// program is not believed: it can answer nonsense, or nothing, and hurts nobody but its user.
// Thread-safe.
class Orders {
  public:
    explicit Orders(os::Fd socket) : socket_(std::move(socket)) {}

    struct Moved {
        std::uint64_t tid;
        std::uint32_t node;
        std::string why_not;  // empty: it is where it should be
    };
    // TID 0: all threads. Waits until each has answered. Throws Error when the program ends, or has
    // no such thread; who does not answer within LIMIT is not in the list, and COMPLETE is false.
    struct Outcome {
        std::vector<Moved> threads;
        bool complete = true;
    };
    Outcome move(pid_t tid, std::uint32_t node, std::chrono::seconds limit);

    // Has it come home for good, and waits until it is there, but not longer than LIMIT. False: it
    // is not. Throws Error when the program ends.
    bool bring_home(std::chrono::seconds limit);

    // Has it record for that long from now, if it does not already for longer. The memory.
    os::Fd record(std::chrono::nanoseconds time);

  private:
    const os::Fd socket_;
    std::mutex asking_;     // one move at a time
    bool home_ = false;     // under asking_: it has come home for good, and may be stopped by now
    std::mutex recording_;  // memory_
    os::Fd memory_;
};

}  // namespace holon::ssi::daemon
