// SPDX-License-Identifier: GPL-2.0-or-later
// What the controller knows of the site: holon.yaml and the catalogue's images, read by a thread of
// its own, so that a submit under slurmctld's locks reads memory and nothing else.
#pragma once

#include <memory>

#include "plugins/os/background.h"
#include "plugins/spec/spec.h"

namespace holon::job_submit {

class Site {
  public:
    // Starts the reading thread; returns at once. ON_ERROR gets a line, from that thread.
    explicit Site(void (*on_error)(const char* line));
    // Ends the thread; gives up waiting for it after two seconds (a hung file system), and leaves
    // it to itself.
    ~Site();
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;

    // The newest snapshot; built-in defaults, without images, until the first reading is done.
    // Never blocks on I/O.
    std::shared_ptr<const spec::Limits> limits() const;
    // The user of UID, where one of the rules of holon.yaml names him, else empty. From memory.
    std::string user_name(std::uint32_t uid) const;

  private:
    struct State;
    std::shared_ptr<State> state_;  // shared with the thread, which may live longer
    std::unique_ptr<os::Background> thread_;
};

}  // namespace holon::job_submit
