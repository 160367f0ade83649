// SPDX-License-Identifier: GPL-2.0-or-later
//
// The subcommands of ssi. Each takes the arguments behind its name and returns the exit status; an
// Error is printed by main, which then ends with exit_failed, after a UsageError with exit_usage.
#pragma once

#include <string>
#include <vector>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::ssi::cli {

using Arguments = std::vector<std::string>;

inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

// What was typed is not understood: scripts tell it, by the exit status, from what could not be
// done. COMMAND's help is pointed to.
class UsageError : public Error {
  public:
    UsageError(const std::string& command, const std::string& what)
        : Error("{}: {}; see ssi {} --help", command, what, command) {}
};

int run(const Arguments& arguments);
int nodes(const Arguments& arguments);
int ps(const Arguments& arguments);
int top(const Arguments& arguments);
int profile(const Arguments& arguments);
int move(const Arguments& arguments);

// $SSI_PARTITION, or "default".
std::string partition();
// A connection to the daemon of that partition of this node. Throws std::exception when there is
// none, or when what answers is not root's.
os::Fd connect_to_daemon();

}  // namespace holon::ssi::cli
