// SPDX-License-Identifier: GPL-2.0-or-later
// Making a booted image a member of the job: `configure` of docs/channel-protocol.md.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "guest/loop.h"
#include "guest/network.h"
#include "guest/smp.h"
#include "guest/sshd.h"
#include "guest/users.h"

#include <optional>

namespace holon::guest {

struct ConfiguredFile {
    std::string path;
    mode_t mode = 0644;
    std::string content;
};

struct GuestConfig {
    std::string hostname;
    Hosts hosts;
    std::optional<NetworkConfig> network;
    User user;
    std::optional<SshKeys> ssh;
    std::optional<SmpConfig> smp;  // the VM is one of a virtual SMP
    std::vector<ConfiguredFile> files;
    std::int64_t time_ns = 0;
    std::string entropy;   // decoded
    std::string job;       // "57.0"
    std::string restored;  // the checkpoint that the VM goes on from, "41/2"; empty: it was booted
};

// Throws std::exception naming what is wrong.
GuestConfig parse_config(const std::string& text);

std::string etc_hosts(const Hosts& hosts);

// Of CLOCK_REALTIME, in nanoseconds since the epoch; what is not positive is no time.
void set_clock(std::int64_t time_ns);

// Everything that is files: hostname, hosts, user, keys, files. ROOT is "" in the VM.
void write_config(const std::string& root, GuestConfig& config);

// Configures this VM; may be repeated with another text. Used once per VM by main.
class Configurator {
  public:
    Configurator(Loop& loop, Reaper& reaper, std::string cgroup_root)
        : loop_(loop),
          reaper_(reaper),
          cgroup_root_(cgroup_root),
          ssid_(loop, reaper, cgroup_root) {}
    // Throws std::exception, or calls DONE: empty for success, else the reason.
    void apply(const std::string& text, std::function<void(std::string)> done);
    // Sessions here are programs of a virtual SMP.
    bool home_of_smp() const { return ssid_.is_home(); }

  private:
    Loop& loop_;
    Reaper& reaper_;
    std::string cgroup_root_;
    Cgroup sshd_group_;
    bool sshd_started_ = false;
    Ssid ssid_;
};

}  // namespace holon::guest
