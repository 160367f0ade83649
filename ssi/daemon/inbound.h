// SPDX-License-Identifier: GPL-2.0-or-later
//
// Connections from other daemons: each gets a thread that does the handshake and hands the
// connection to whatever it is for.
#pragma once

#include <functional>

#include "ssi/daemon/connection.h"
#include "ssi/daemon/node.h"

namespace holon::ssi::daemon {

// Accepts on NODE.listen until the daemon ends. An Error that HANDLE throws is logged. How many
// connections may be open at once is bounded, and how many of them without a finished handshake.
void serve_daemons(const Node& node, std::function<void(Connection)> handle);

}  // namespace holon::ssi::daemon
