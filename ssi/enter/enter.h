// SPDX-License-Identifier: GPL-2.0-or-later
//
// Entering the virtual machine: what the calling process executes next, and all that this starts,
// is a program of the engine. For `ssi run`, and for who starts sessions of users.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/os/fd.h"

namespace holon::ssi::enter {

// A connection to the daemon of PARTITION on this node. Throws std::exception where there is none,
// or where what answers is not root's.
os::Fd connect_to_daemon(const std::string& partition);

// FLAGS are those of struct Parameters (ssi/runtime/parameters.h). Sets no_new_privs and lays the
// filter on the calling thread; called by root, which may become another user afterwards, also
// gives it a mount namespace in which /proc and /sys show all nodes. Does nothing for what is under
// the engine already. To be called by a process with one thread. Throws std::exception with one
// line; the process must then not execute anything: its filter may be there, and nobody serve it.
void enter(const std::string& partition, std::uint32_t flags);

}  // namespace holon::ssi::enter
