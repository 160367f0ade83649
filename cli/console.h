// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace holon::cli {

// "vm1", "1", "42:vm1" → job "42" (empty where none was named) and VM "vm1". Throws on anything
// else.
struct VmName {
    std::string job, vm;
};
VmName parse_vm_name(std::string_view text);

// The entry of NAME among VMS (as in the `status` reply). Without a job in NAME there must be one
// job only. Throws the line that says what there is.
const nlohmann::json& find_vm(const std::vector<nlohmann::json>& vms, const VmName& name);

}  // namespace holon::cli
