// SPDX-License-Identifier: GPL-2.0-or-later
// Those parts of a node's checks that look at folders and texts alone, so that tests can show them
// others than this machine's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/doctor/check.h"

namespace holon::cli {

// libvirt's folder for what each QEMU looks for as it starts. QEMU runs as the job's user, who must
// get through it and everything above it.
Finding qemu_folder(const std::filesystem::path& folder);

// The chains that drop what they forward and nobody accepts: "ip filter FORWARD". CHAINS is what
// `nft -j list chains` prints.
std::vector<std::string> forward_drops(const std::string& chains);

// Whether the host's firewall sees what VMs send each other. SETTINGS is /proc/sys/net/bridge,
// DROPS as above.
Finding bridged_traffic(const std::filesystem::path& settings,
                        const std::vector<std::string>& drops);

// Whether VMs run on while they are saved. SETTING is /proc/sys/vm/unprivileged_userfaultfd.
Finding background_saves(const std::filesystem::path& setting);

}  // namespace holon::cli
