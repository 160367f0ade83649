// SPDX-License-Identifier: GPL-2.0-or-later
//
// The daemon as a whole: the first node, or one that joined it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "ssi/daemon/connection.h"
#include "ssi/daemon/keeper.h"
#include "ssi/daemon/key.h"
#include "ssi/daemon/machine.h"
#include "ssi/daemon/messages.h"
#include "ssi/daemon/readiness.h"
#include "ssi/daemon/socket.h"
#include "ssi/inject/runtime_file.h"

namespace holon::ssi::daemon {

struct Node {
    std::string name;
    std::string partition;
    Endpoint listen;
    std::optional<Endpoint> home;  // none: this is the first node
    Trust trust;
    std::uint32_t cpus = 1;
    std::chrono::seconds timeout{60};  // of heartbeats and of unacknowledged data
    inject::RuntimeFile runtime;
    Machine machine = this_machine();
    Digest instance = random_digest();
    Readiness ready{};
};

// Runs a daemon until SIGTERM or SIGINT; these must be blocked in the calling thread, the only one
// there is. Both throw Error when the daemon cannot start, or cannot be what it was asked to be.
void run_first_node(Node& node, Keeper keeper);
void run_member(Node& node);

}  // namespace holon::ssi::daemon
