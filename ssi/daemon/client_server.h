// SPDX-License-Identifier: GPL-2.0-or-later
//
// Serves the `ssi` command (client.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ssi/daemon/control_server.h"
#include "ssi/daemon/messages.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::daemon {

// What the two kinds of node (first, others) answer. Each function may throw Error; it becomes the
// answer.
struct ClientActions {
    std::function<void(os::Fd listener, std::uint32_t flags, uid_t asking)> run;
    std::function<std::vector<MemberInfo>()> nodes;
    std::function<std::string(uid_t asking)> processes;         // JSON
    std::function<void(pid_t process, int socket)> give_views;  // none: there are none
    std::string runtime;  // its file: whoever runs a program must be able to read it
    // none: this is not the first node, where the programs are
    std::function<std::vector<ControlServer::Observed>(uid_t asking)> observe;
    std::function<std::string(uid_t asking, pid_t pid, pid_t tid, std::uint32_t node)> move;
    // A session as long as what is returned lives, which tells what there is so far.
    using Recorded = std::function<std::vector<ControlServer::Observed>()>;
    std::function<Recorded(pid_t above)> profile;
};

// Accepts clients on ADDRESS, on threads of its own, until the daemon ends.
void serve_clients(const std::string& address, ClientActions actions);

std::string nodes_as_json(const std::vector<MemberInfo>& members);

}  // namespace holon::ssi::daemon
