// SPDX-License-Identifier: GPL-2.0-or-later
//
// The seccomp filter that `ssi run` lays on a program and everything it starts: exec, the first
// thread of a process and the CPUs it asks for are told to the daemon, what the engine cannot carry
// does not exist, all else is allowed without being looked at (the kernel keeps such calls in a
// bitmap: no cost).
#pragma once

#include <linux/filter.h>

#include <vector>

#include "plugins/os/fd.h"

namespace holon::ssi::enter {

// THREADS: tell of new threads too; without, processes never leave home.
std::vector<sock_filter> make_filter(bool threads);

// Puts the filter on the calling thread and its children to come and returns the descriptor from
// which exec calls are served: the caller's own exec waits for it from now on. Sets no_new_privs.
// Empty when this process already is under such a filter (a program has one listener at most).
// Throws std::exception.
os::Fd install_filter(bool threads);

}  // namespace holon::ssi::enter
