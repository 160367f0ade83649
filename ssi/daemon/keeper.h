// SPDX-License-Identifier: GPL-2.0-or-later
//
// What keeps programs going when their daemon is not there. A filter's calls fail with ENOSYS once
// no process holds its listener, so that a program whose daemon was killed could execute nothing
// any more. A small process beside the daemon, the keeper, therefore holds every listener too:
// while there is no daemon it lets all calls go on, without the engine, and the next daemon of the
// partition gets the listeners from it. It ends with the last program, or, when there is none, with
// its daemon.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/os/fd.h"

namespace holon::ssi::daemon {

struct Kept {
    os::Fd listener;
    std::uint32_t flags = 0;
    uid_t owner = 0;
};

// The daemon's end. Not thread-safe but for keep().
class Keeper {
  public:
    // Connects to the keeper of PARTITION, or starts one; to be called before there are threads and
    // before the key is read. `taken` are the listeners of programs that outlived their daemon.
    explicit Keeper(const std::string& partition);

    std::vector<Kept> take() { return std::move(kept_); }
    // False when the keeper is gone.
    bool keep(int listener, std::uint32_t flags, uid_t owner) const;

  private:
    os::Fd socket_;
    std::vector<Kept> kept_;
};

inline constexpr char keeper_program[] = "ssid-keeper";  // argv[0]
// The keeper itself: argv {keeper_program, PARTITION}, descriptor 3 the daemon's socket.
int run_keeper(const std::string& partition);

}  // namespace holon::ssi::daemon
