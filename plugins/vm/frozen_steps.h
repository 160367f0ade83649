// SPDX-License-Identifier: GPL-2.0-or-later
// Slurm suspends a job (scontrol suspend, gang scheduling) by freezing the cgroups of its steps, on
// every node, the extern step's among them; it tells nobody else. FrozenSteps sees that without
// asking time and again.
#pragma once

#include <filesystem>
#include <vector>

#include "plugins/os/fd.h"
#include "plugins/vm/vm.h"

namespace holon::vm {

// One job on this node. Steps may come and go. One thread at a time; nothing blocks.
class FrozenSteps {
  public:
    // Throws where the kernel has no watch left to give (fs.inotify.max_user_instances).
    explicit FrozenSteps(const JobCgroup& cgroup);

    // Whether any step is frozen, or about to be: Slurm suspends whole jobs. Call it first, and
    // whenever descriptor() is readable.
    bool look();
    int descriptor() const { return events_.get(); }

  private:
    os::Fd events_;                            // inotify
    std::vector<std::filesystem::path> jobs_;  // the job's directories where cgroups can be frozen

    bool look_into(const std::filesystem::path& directory, int depth);
};

}  // namespace holon::vm
