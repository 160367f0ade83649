// SPDX-License-Identifier: GPL-2.0-or-later
// The texts that are fed to `ip -batch -`, `bridge -batch -` and `nft -f -`. Pure: the same plan
// gives the same text, so what a node would do can be read and tested without touching a kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/network/network.h"

namespace holon::network {

// Name of a run's nftables tables, in the families inet and netdev.
std::string table_name(plan::Job job);

// The job that an interface ("hx42.0") or table ("holon-42.0") belongs to; nullopt for anything not
// Holon's.
std::optional<std::uint32_t> job_of_interface(std::string_view name);
std::optional<std::uint32_t> job_of_table(std::string_view name);

std::string bridge_batch(plan::Job job, std::uint32_t mtu);
std::string vxlan_batch(const plan::Plan& plan, const Underlay& underlay);
std::string up_batch(plan::Job job, bool with_vxlan);

// One entry of the VXLAN forwarding table: frames to MAC go to PEER.
using Forward = std::pair<std::string, std::string>;
inline constexpr const char* broadcast_mac = "00:00:00:00:00:00";
// All that the plan asks for; throws where a VM's node is not covered. LOCAL_NODE is found by
// elimination: the one node that is no peer.
std::vector<Forward> forwarding_table(const plan::Plan& plan, const Underlay& underlay);
// Commands that add what WANTED has and PRESENT has not.
std::string forwarding_batch(plan::Job job, const std::vector<Forward>& wanted,
                             const std::set<Forward>& present);

// Commands after which frames to VM go to ADDRESS alone; empty: to no peer.
std::string relocation_batch(plan::Job job, const plan::Vm& vm, const std::string& address,
                             const std::set<Forward>& present);

// Rulesets. Each replaces the whole of what it describes in one transaction.
std::string node_filter(std::uint16_t base_port);
std::string run_filter(const plan::Plan& plan, const Underlay& underlay);
std::string tap_filter(plan::Job job, const plan::Vm& vm);
std::string no_filter(plan::Job job);

}  // namespace holon::network
