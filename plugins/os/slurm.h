// SPDX-License-Identifier: GPL-2.0-or-later
// What running Slurm's own commands takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holon::os {

// For os::run of Slurm's commands: what they need of our environment.
std::vector<std::string> slurm_environment();

// The value of KEY in LINE, whose words are KEY=VALUE, as `scontrol -o` prints them; empty where it
// has none, or Slurm says "(null)".
std::string word_of(std::string_view line, std::string_view key);

// The host names behind "SlurmctldHost[0] = ctl(10.0.0.1)" in the output of `scontrol show config`.
std::vector<std::string> controller_hosts(const std::string& shown_config);

}  // namespace holon::os
