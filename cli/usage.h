// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace holon::cli {

// The table for people, and the sum, of entries as in the `usage` reply of docs/rpc.md.
std::string usage_text(std::vector<nlohmann::json> vms);

}  // namespace holon::cli
