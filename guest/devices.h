// SPDX-License-Identifier: GPL-2.0-or-later
// Devices appear when they like. Instead of looking again and again, the kernel's announcements are
// waited for.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "plugins/os/fd.h"

namespace holon::guest {

// Listens from construction on: construct it before looking, then nothing is missed.
class DeviceEvents {
  public:
    DeviceEvents();
    // Asks THERE now and after every event; false if it has not become true within LIMIT.
    bool wait_for(const std::function<bool()>& there, std::chrono::milliseconds limit);

  private:
    os::Fd socket_;
};

// "/dev/vport1p1" for the virtio-serial port that QEMU calls NAME, whatever its number; empty until
// it is there.
std::string find_port(const std::string& name);

}  // namespace holon::guest
