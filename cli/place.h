// SPDX-License-Identifier: GPL-2.0-or-later
// `holon place`: select/placement without a cluster. Nodes come from a file, the request is written
// as for sbatch.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/config/config.h"
#include "select/placement/placement.h"

namespace holon::cli {

struct Place {
    placement::Request request;
    std::string image;                  // empty: not asked for
    std::vector<std::string> required;  // --nodelist
    std::vector<std::string> excluded;  // --exclude
    bool smp = false;                   // whose weights
};

// "--vm-smp -n 24 --mem-per-cpu=2G". Throws holon::Error with the word that is not understood.
Place parse_request(std::string_view text);

struct PlaceNodes {
    std::vector<std::string> names;
    std::vector<placement::Node> nodes;
    std::vector<std::string> domains;  // by number; 0: none
};

// The file's JSON, seen by one request. Throws holon::Error.
PlaceNodes read_nodes(const nlohmann::json& file, const Place& place);

}  // namespace holon::cli
