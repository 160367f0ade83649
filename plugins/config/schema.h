// SPDX-License-Identifier: GPL-2.0-or-later
// The schema of holon.yaml: one line per key, which names the key, what it accepts and where it
// goes.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <string>
#include <vector>

#include "plugins/config/config.h"

namespace holon::config {

struct Key {
    std::string name;      // "vm.memory_reserve"; the part before the dot is the section
    std::string accepted;  // "a size such as 128M"
    // Both throw holon::Error, without the place in the file, for a value that is not accepted.
    std::function<void(Config&, const YAML::Node&)> set;
    std::function<std::string(const Config&)> get;
};

const std::vector<Key>& schema();

}  // namespace holon::config
