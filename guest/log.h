// SPDX-License-Identifier: GPL-2.0-or-later
// Lines for the VM's console, "holon-guest: …". The console is written to directly and not through
// /dev/kmsg: with `quiet` on the kernel command line the kernel would keep them to itself, and
// holond reads boot times there.
#pragma once

#include <string>

namespace holon::guest {

// Where lines go from now on (not owned); -1, as at first: nowhere.
void log_to(int fd);
void log(const std::string& line);

}  // namespace holon::guest
