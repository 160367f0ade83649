// SPDX-License-Identifier: GPL-2.0-or-later
// This VM as a part of a virtual SMP: the engine's daemon, which travels in the initramfs with all
// that it needs (ssi/bundle) and lies at one place in every image.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "guest/cgroup.h"
#include "guest/loop.h"

namespace holon::guest {

struct SmpConfig {
    std::string name;     // this node's: "vm1"
    std::string address;  // its own, that the other nodes reach it at
    std::string home;     // address of the first node, where programs start; may be this one
    std::string key;      // of this job and no other
    std::uint32_t nodes = 1;
    bool encrypted = true;

    bool is_home() const { return home == address; }
};

// From the initramfs to where its programs look for themselves; a no-op where it did not travel
// along. In this order: modules and keep before another root is switched to, put after /run is
// mounted. Throws std::system_error.
class EngineFiles {
  public:
    void keep();
    void put();

  private:
    os::Fd tree_;
};

// What ssid is started with, but for the program itself.
std::vector<std::string> ssid_arguments(const SmpConfig& config, int ready_fd);

// Keeps ssid running. Used once per VM.
class Ssid {
  public:
    Ssid(Loop& loop, Reaper& reaper, std::string cgroup_root)
        : loop_(loop), reaper_(reaper), cgroup_root_(std::move(cgroup_root)) {}

    // DONE is called with an empty string when this node is of use (the home's: when all nodes are
    // there), or with the reason why it never will be. From then on a daemon that ends is started
    // again: what runs goes on meanwhile, and is served again (docs/ssi-daemon.md).
    void start(SmpConfig config, std::function<void(std::string)> done);
    bool started() const { return ready_; }
    bool is_home() const { return ready_ && config_.is_home(); }

  private:
    void launch();
    void ended(int status);
    void start_again();

    Loop& loop_;
    Reaper& reaper_;
    std::string cgroup_root_;
    Cgroup group_;
    SmpConfig config_;
    std::function<void(std::string)> done_;
    os::Fd ready_pipe_;
    Watch watch_;
    Timer again_;
    bool ready_ = false;
};

}  // namespace holon::guest
