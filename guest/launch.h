// SPDX-License-Identifier: GPL-2.0-or-later
// Starting a session's first process: identity, limits, working directory, terminal or pipes,
// program lookup.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/cgroup.h"
#include "plugins/os/fd.h"

namespace holon::guest {

struct WindowSize {
    std::uint16_t rows = 0, cols = 0, xpixel = 0, ypixel = 0;
};

// `open` of docs/channel-protocol.md.
struct OpenRequest {
    std::vector<std::string> argv;
    std::vector<std::string> env;
    std::string cwd = "/";
    mode_t umask = 022;
    std::vector<std::pair<int, rlimit>> rlimits;  // RLIMIT_*, value
    std::optional<WindowSize> pty;
    std::optional<std::string> script;  // decoded; argv[0] is replaced by the stored file's path
    bool standard_input = false;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};

// Throws std::exception with a line for a person.
OpenRequest parse_open(std::string_view json);

struct Child {
    pid_t pid = -1;
    os::Fd in, out, err;  // non-blocking; with a terminal in and out are its master, err is empty
    os::Fd pty_slave;     // kept open so that the terminal is not hung up while the process lives
    // Lines until exec has succeeded or failed: 'N' and a notice, or 'E', a status byte and the
    // reason. Ends at exec.
    os::Fd report;
};

// Returns once the child is forked; what happens in it until exec is told through `report`. A
// process that cannot be moved into CGROUP (where that is valid) is not started, nor one in which
// ENTER throws (session.h). Throws std::system_error.
Child launch(const OpenRequest& request, const Cgroup& cgroup, const std::function<void()>& enter);

void set_window_size(int pty_master, const WindowSize& size);

}  // namespace holon::guest
