// SPDX-License-Identifier: GPL-2.0-or-later
// Suspension: the VMs of this node stand while Slurm has suspended the job. Slurm freezes the
// job's steps on each node by itself, so each node sees to its own VMs; what is in flight between
// them is TCP's to send again.
#pragma once

#include <memory>

#include "plugins/node/run.h"

namespace holon::vm {
class FrozenSteps;
}

namespace holon::node {

class Suspension {
  public:
    Suspension(Daemon& daemon, Run& run);
    ~Suspension();

    // As long as RUN lives. What it is at that time is known as soon as this is first left.
    Task<void> watch(std::shared_ptr<Run> run);
    bool suspended() const { return suspended_; }
    // For how long the job was, in all, as far as this daemon knows: no time limit runs meanwhile.
    Clock::duration lasted() const;

  private:
    Daemon& daemon_;
    Run& run_;
    std::unique_ptr<vm::FrozenSteps> steps_;
    bool suspended_ = false;
    Clock::time_point since_{};
    Clock::duration before_{};

    void look();
    Task<void> listen(std::shared_ptr<Run> run,
                      std::shared_ptr<asio::posix::stream_descriptor> events);
    bool settled();
    Task<void> settle(LocalVm& vm);
};

}  // namespace holon::node
