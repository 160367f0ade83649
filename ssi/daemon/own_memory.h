// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a process that gave up its uid may not open of itself (/proc belongs to root then), although
// it may read all of it.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "plugins/os/fd.h"

namespace holon::ssi::daemon {

// /proc/PID/mem (0) or pagemap (1), for reading, of the process that asks. A process ID may have
// become another's since the asking one connected: the file is its only where PROOF, random bytes
// that it has just made, lies at the place in its memory that is for them (Parameters::proof).
// Throws Error.
os::Fd open_memory_of(pid_t pid, unsigned which, std::string_view proof);

}  // namespace holon::ssi::daemon
