// SPDX-License-Identifier: GPL-2.0-or-later
// `holond --controller`: takes the nodes' reports (docs/rpc.md), keeps the snapshot file that the
// plugins in slurmctld read, and writes into Slurm's comment of a node why it gets no VM jobs.
#pragma once

#include "plugins/config/config.h"
#include "plugins/node/daemon.h"

namespace holon::controller {

// Serves until SIGTERM or SIGINT.
int serve(const node::Options& options);

}  // namespace holon::controller
