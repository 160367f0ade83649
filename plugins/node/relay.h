// SPDX-License-Identifier: GPL-2.0-or-later
// A task whose VM is on another node of the job, as all tasks of a virtual SMP are but those of its
// home's node: this node's holond stands between holon-run and the holond of the VM's node, where
// the session is (session.h), with all that saving and preemption want of it.
#pragma once

#include <memory>
#include <string>

#include "plugins/node/daemon.h"

namespace holon::node {

// Passes REQUEST (a `session` of a local client) to NODE as docs/rpc.md has it, and then frames
// both ways until either end is gone. Where NODE cannot be reached, or is lost, CLIENT is closed
// without a word: it comes again, as it does when its own holond is away. A client that goes away
// ends its session; a daemon of either node that dies does not.
Task<void> relay_session(Daemon& daemon, class Connection& client, std::shared_ptr<Run> run,
                         nlohmann::json request, const std::string& node);

}  // namespace holon::node
