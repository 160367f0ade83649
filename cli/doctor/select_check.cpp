// SPDX-License-Identifier: GPL-2.0-or-later
// The select plugin: the only one that takes the place of one of Slurm's own, so it is looked at
// more closely: which of the two is found first, and which one the running slurmctld has loaded.
#include <dlfcn.h>

#include <algorithm>

#include "cli/doctor/check.h"
#include "cli/doctor/slurm_plugins.h"
#include "paths.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::cli {
namespace {

constexpr const char* file_name = "select_cons_tres.so";

// The memory maps of the slurmctld that runs here; empty where none does, or where they cannot be
// read.
std::string maps_of_slurmctld() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
            continue;
        try {
            if (os::read_file_if_exists(entry.path() / "comm").value_or("") == "slurmctld\n")
                return os::read_file_if_exists(entry.path() / "maps").value_or("");
        } catch (const Error&) {  // it ended meanwhile, or is another user's
        }
    }
    return "";
}

// In a child: it is code.
std::string name_of(const std::filesystem::path& plugin) {
    return in_child(
        [&] {
            void* const handle = ::dlopen(plugin.c_str(), RTLD_LAZY | RTLD_LOCAL);
            if (handle == nullptr) throw Error("{}", ::dlerror());
            const auto* const name = static_cast<const char*>(::dlsym(handle, "plugin_name"));
            return std::string(name == nullptr ? "" : name);
        },
        std::chrono::seconds(10));
}

}  // namespace

Loaded loaded(std::string_view maps, const std::filesystem::path& plugin) {
    const std::string path = plugin.string();
    for (const std::string& line : split_list(maps, '\n')) {
        const std::size_t at = line.find('/');
        if (at == std::string::npos || !std::string_view(line).substr(at).starts_with(path))
            continue;
        const std::string_view rest = std::string_view(line).substr(at + path.size());
        if (rest.empty()) return Loaded::yes;
        if (rest == " (deleted)") return Loaded::replaced;
    }
    return Loaded::no;
}

Finding select_plugin(const Site& site) {
    if (site.slurm.empty()) return not_checked(site.slurm_error);
    const std::string type = site.slurm_value("SelectType");
    if (type != "select/cons_tres")
        return warn(fmt::format("SelectType={}: VM jobs are placed like all others", type),
                    "set SelectType=select/cons_tres, if Holon is to choose nodes for them");
    const std::string directory = site.slurm_value("PluginDir");
    const auto path = find_plugin(directory, file_name);
    if (!path) return not_checked(fmt::format("no {} in PluginDir ({})", file_name, directory));
    const std::string mend =
        fmt::format("put {}: before the rest of PluginDir in slurm.conf, then restart slurmctld",
                    paths::select_plugin_dir);
    if (!name_of(*path).starts_with("Holon "))
        return warn(
            fmt::format("{} is Slurm's own: VM jobs are placed like all others", path->string()),
            mend);
    const std::string release = built_for(*path);
    if (release != site.slurm_release)
        return bad(fmt::format("{} was built for Slurm {}, this is {}", path->string(), release,
                               site.slurm_release),
                   "build Holon against the sources of this release");
    const std::string maps = maps_of_slurmctld();
    if (maps.empty())
        return not_checked(fmt::format(
            "{}, built for Slurm {}; whether slurmctld has loaded it cannot be seen ({})",
            path->string(), release, site.root ? "none runs here" : "run this as root"));
    switch (loaded(maps, *path)) {
        case Loaded::yes:
            return good(fmt::format("slurmctld has loaded {}, built for Slurm {}", path->string(),
                                    release));
        case Loaded::replaced:
            return warn(
                fmt::format("{} was replaced since slurmctld has loaded it", path->string()),
                "restart slurmctld");
        case Loaded::no:
            break;
    }
    return bad(fmt::format("slurmctld runs without {}", path->string()), "restart slurmctld");
}

}  // namespace holon::cli
