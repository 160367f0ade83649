// SPDX-License-Identifier: GPL-2.0-or-later
// Where Slurm finds its plugins, and which of its releases they were built for.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holon::cli {

// The path, as written, of the plugin called FILE in plugstack.conf at CONF, include lines (with
// patterns) followed.
std::optional<std::string> find_in_plugstack(const std::filesystem::path& conf,
                                             std::string_view file);
// FILE in the first of Slurm's plugin directories ("/a:/b") that has it; an absolute FILE is taken
// as it is.
std::optional<std::filesystem::path> find_plugin(std::string_view plugin_dir,
                                                 const std::string& file);
// "22.05.8" from a plugin's own words (its symbol plugin_version). Throws where it cannot be loaded
// or has none.
std::string built_for(const std::filesystem::path& plugin);
// SLURM_VERSION_NUM: three bytes.
std::string release_text(std::uint32_t number);

// Whether a process with these memory MAPS (/proc/PID/maps) has PLUGIN loaded; replaced: one that
// was at this path then and is no longer.
enum class Loaded { no, yes, replaced };
Loaded loaded(std::string_view maps, const std::filesystem::path& plugin);
struct Finding;
struct Site;
Finding select_plugin(const Site& site);

}  // namespace holon::cli
