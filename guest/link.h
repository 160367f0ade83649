// SPDX-License-Identifier: GPL-2.0-or-later
// Carries frames between the engine and one descriptor: the virtio-serial port, or a socket in
// tests.
//
// The port is watched edge-triggered: while no host is connected its driver reports POLLHUP
// permanently, which a level-triggered watch could not be told to ignore, but it wakes its waiters
// once at every connect and disconnect.
#pragma once

#include <cstdint>
#include <string>

#include "guest/engine.h"
#include "guest/loop.h"
#include "plugins/channel/frame.h"
#include "plugins/os/fd.h"

namespace holon::guest {

class Link {
  public:
    // FD must be non-blocking.
    Link(Loop& loop, Engine& engine, os::Fd fd);

    // Moves what can be moved, a bounded amount; true if there may be more right away. To be called
    // after every turn of the loop.
    bool pump();

  private:
    bool receive();
    bool send();
    void lost();

    Engine& engine_;
    os::Fd fd_;
    Watch watch_;
    channel::Decoder decoder_{channel::Decoder::Mode::resync};
    std::string out_;  // the one frame that is being written
    std::size_t written_ = 0;
    bool readable_ = false;
    bool writable_ = false;
};

}  // namespace holon::guest
