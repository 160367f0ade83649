// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/ask.h"

namespace holon::cli {

// What the nodes know of VMs, by job and VM.
struct View {
    std::vector<nlohmann::json> vms;  // entries as in the `status` reply of docs/rpc.md
    std::vector<Answer> unreachable;
};
View collect(const std::vector<Answer>& answers);

// The table for people, and under it one line for each VM that has a reason to give.
std::string status_text(const View& view, bool with_user);

}  // namespace holon::cli
