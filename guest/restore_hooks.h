// SPDX-License-Identifier: GPL-2.0-or-later
// What an image wants to do when its VM goes on from a checkpoint: leases to renew, licences to
// fetch again, services that must hear of a new host. The programs of /etc/holon/restore.d run as
// root, one after another in the order of their names (bytes), as run-parts(8) does: executable
// regular files whose names consist of letters, digits, '_' and '-'.
//
// They have no input, write to the VM's console, and find in their environment
//   HOLON_RESTORED_FROM   the checkpoint: the job that made it, and its number ("41/2")
//   HOLON_JOB             the job's run that the VM is of now ("57.0")
// The job's own programs run already. When the time of all is over the one that runs is killed with
// its process group, and those after it do not run; that, or a status other than 0, is said on the
// console and keeps nothing from going on.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "guest/loop.h"

namespace holon::guest {

struct RestoreHooks {
    std::string folder = "/etc/holon/restore.d";
    std::string from;                                            // HOLON_RESTORED_FROM
    std::string job;                                             // HOLON_JOB
    std::chrono::milliseconds limit = std::chrono::seconds(30);  // for all of them
};

// Calls DONE when the last one has ended; at once where there is none. LOOP and REAPER must live
// until then.
void run_restore_hooks(Loop& loop, Reaper& reaper, RestoreHooks hooks, std::function<void()> done);

}  // namespace holon::guest
