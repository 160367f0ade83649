// SPDX-License-Identifier: GPL-2.0-or-later
// What the plugins inside slurmctld know of the site: holon.yaml, each node's capabilities, the
// shapes of checkpoints. A background thread reads the files (holon.yaml, Slurm's topology.conf,
// and the snapshot that `holond --controller` replaces atomically); asking is a lock and a pointer,
// never I/O.
#pragma once

#include <memory>

#include "plugins/os/background.h"
#include "select/site/facts.h"

namespace holon::site {

class Site {
  public:
    using Report = void (*)(const char* line);
    // Starts the reading thread with all signals blocked; returns at once. ON_ERROR gets each line
    // once per trouble, from that thread.
    explicit Site(Report on_error);
    // Ends the thread; gives up after two seconds where a file system hangs.
    ~Site();
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;

    // The newest facts; never null, known == false until the first reading is done.
    std::shared_ptr<const Facts> facts() const;

  private:
    struct State;
    std::shared_ptr<State> state_;  // shared with the thread, which may live longer
    std::unique_ptr<os::Background> thread_;
};

}  // namespace holon::site
