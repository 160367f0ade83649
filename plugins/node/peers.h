// SPDX-License-Identifier: GPL-2.0-or-later
// What the nodes of one job tell each other, over docs/rpc.md's `peer` connection, kept open for
// the life of the run.
//
//   node → head
//   {"op":"peer","job":42,"restart":0,"node":"n2","vms":[{"index":1,"state":"running","reason":""}]}
//                again after every change; "failure" and "console" where the node cannot go on
//                and "save" with what local_save.h calls a SaveReport, where there was a
//                checkpoint, and "move", how far a move has come here (migration.h)
//   head → node
//   {"ok":true,"ready":false,"ready_count":2,"total":3,"failure":"","console":[],"seconds":0,
//    "save":{"id":0,"step":"none","folder":"","stay":false},
//    "preemption":{"state":"no","answered":0},
//    "migration":{"hosts":{"1":"n3"},"id":0,"vm":0,"from":"","to":""}}
//                after every change; "save" is a SaveOrder, "preemption" what preemption.h knows,
//                "migration" where VMs are that are not at home, and the move that is going on
//
// Only root's credentials are taken, and only from nodes of the allocation. A lost connection is
// made again.
#pragma once

#include "plugins/node/daemon.h"

namespace holon::node {

// To NODE's holond; each message is sealed and says that it is for NODE. Throws where it cannot be
// reached within some seconds.
Task<std::shared_ptr<class Connection>> connect_to(Daemon& daemon, const std::string& node);

}  // namespace holon::node
