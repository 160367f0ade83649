// SPDX-License-Identifier: GPL-2.0-or-later
//
// The runtime's side of the control socket (ssi/control/control.h): requests to this node's daemon.
// Each takes the control lock; results are descriptors or -errno.
#pragma once

#include "ssi/control/control.h"

namespace holon::ssi {

/// Connects and says hello; fills process.nodes and node_cpus. A descriptor of /dev/userfaultfd, or
/// -errno.
long connect_daemon();
/// The page link to a new body process on `node`.
long request_body(unsigned node);
/// The channel of thread `number` on `node`.
long open_channel(unsigned node, unsigned number);
void report_pinned(const char* reason);
/// What bodies have used since it was said last, ns. Does not wait long: the process is about to
/// end.
void report_used(std::uint64_t user, std::uint64_t system);
/// How many threads are away now.
void report_away();
/// The agent has that number: the daemon has it run before all that computes.
void report_agent(long tid);
/// The socket on which the daemon asks; see ssi/control/control.h.
long attend_daemon();
/// /proc/self/mem (0) or /proc/self/pagemap (1), for reading, where this process may not open it.
long open_own_memory(unsigned which);

/// One message with at most one descriptor (-1: none) on a connected SOCK_SEQPACKET socket. 0 or
/// -errno.
long send_control(int socket, const ControlMessage& message);
long receive_control(int socket, ControlMessage& message, int& descriptor);

}  // namespace holon::ssi
