// SPDX-License-Identifier: GPL-2.0-or-later
// From the kernel's first process to a system that programs can run in. The agent stands in for the
// image's init.
#pragma once

#include <string>

namespace holon::guest {

// The value of NAME=… on a kernel command line; empty where it is not there. The last one counts.
std::string kernel_parameter(const std::string& command_line, const std::string& name);

// Mounts /dev, makes descriptors 0, 1, 2 the console if the kernel could not, and logs there. First
// of all.
void open_console();

// Modules, root file system, mounts, loopback. Throws std::exception where there is no system to go
// on with.
void bring_up_system();

}  // namespace holon::guest
