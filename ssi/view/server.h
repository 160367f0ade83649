// SPDX-License-Identifier: GPL-2.0-or-later
//
// The process that serves the views as a FUSE file system, in a mount namespace of its own. It is
// started by the first node's daemon and outlives it: programs that still read the views do so
// until the last of them has ended.
#pragma once

namespace holon::ssi::view {

inline constexpr char server_program[] = "ssid-view";  // argv[0]
inline constexpr int server_fd = 3;                    // the daemon's socket
inline constexpr char server_folder[] = "/proc/fs";    // where it is mounted, in that namespace

// The socket carries reports to the server: a packet is the number of a node in four bytes and an
// encoded report. One byte comes back when the views are mounted.
int run_server();

}  // namespace holon::ssi::view
