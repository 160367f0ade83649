// SPDX-License-Identifier: GPL-2.0-or-later
// Latency domains: which nodes are near each other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holon::site {

struct Domain {
    std::string name;
    std::vector<std::string> nodes;
};

// The leaf switches (SwitchName=… Nodes=…) or blocks (BlockName=… Nodes=…) of a topology.conf.
// Lines of anything else are left out, as is a list that cannot be read: Slurm complains of those.
std::vector<Domain> parse_topology(std::string_view text);

// "rack1=n[1-16]" of holon.yaml. Throws holon::Error.
Domain parse_domain(std::string_view text);

}  // namespace holon::site
