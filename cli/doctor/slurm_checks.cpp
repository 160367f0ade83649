// SPDX-License-Identifier: GPL-2.0-or-later
// slurm.conf and the plugins: the same questions on nodes and controllers. The options come with
// spank_holon.so, so login hosts are asked for that, too.
#include <dlfcn.h>
#include <fmt/ranges.h>
#include <glob.h>

#include <charconv>
#include <fstream>

#include "cli/doctor/check.h"
#include "cli/doctor/slurm_plugins.h"
#include "plugins/os/error.h"

namespace holon::cli {
namespace {

std::optional<std::string> search(const std::filesystem::path& conf, std::string_view file,
                                  int depth) {
    std::ifstream lines(conf);
    std::string line;
    while (std::getline(lines, line)) {
        for (char& c : line)
            if (c == '\t') c = ' ';
        const auto words = split_list(line.substr(0, line.find('#')), ' ');
        if (words.size() < 2) continue;
        if ((words[0] == "required" || words[0] == "optional") &&
            std::filesystem::path(words[1]).filename() == file)
            return words[1];
        if (words[0] != "include" || depth == 0) continue;
        const std::filesystem::path pattern = conf.parent_path() / words[1];
        glob_t found{};
        std::optional<std::string> entry;
        if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
            for (std::size_t i = 0; i < found.gl_pathc && !entry; ++i)
                entry = search(found.gl_pathv[i], file, depth - 1);
        ::globfree(&found);
        if (entry) return entry;
    }
    return std::nullopt;
}

Finding flags(const Site& site) {
    if (site.slurm.empty()) return not_checked(site.slurm_error);
    std::vector<std::string> missing;
    const std::string flags = site.slurm_value("PrologFlags");
    for (const char* flag : {"Alloc", "Contain", "DeferBatch"})
        if (!has_word(flags, flag)) missing.emplace_back(flag);
    if (!missing.empty())
        return bad(fmt::format("PrologFlags={} lacks {}", flags, fmt::join(missing, ", ")),
                   "set PrologFlags=Alloc,Contain,DeferBatch in slurm.conf, then restart slurmctld "
                   "and all slurmd");
    return good("PrologFlags=" + flags);
}

Finding launch(const Site& site) {
    if (site.slurm.empty()) return not_checked(site.slurm_error);
    const std::string launch = site.slurm_value("LaunchParameters");
    if (!has_word(launch, "use_interactive_step"))
        return warn(
            fmt::format("LaunchParameters={}: salloc's shell stays on the login host, not in vm0",
                        launch),
            "set LaunchParameters=use_interactive_step in slurm.conf, then scontrol reconfigure");
    return good("LaunchParameters=" + launch);
}

Finding confinement(const Site& site) {
    if (site.slurm.empty()) return not_checked(site.slurm_error);
    std::vector<std::string> missing;
    if (site.slurm_value("ProctrackType") != "proctrack/cgroup")
        missing.emplace_back("ProctrackType=proctrack/cgroup");
    if (!has_word(site.slurm_value("TaskPlugin"), "task/cgroup"))
        missing.emplace_back("TaskPlugin=task/cgroup");
    if (!missing.empty())
        return bad(fmt::format("slurm.conf lacks {}: a job's limits do not hold for its VMs",
                               fmt::join(missing, ", ")),
                   "set them, then restart slurmctld and all slurmd");
    // Slurm prints cgroup.conf of the controller; a site may have none there.
    if (!site.slurm.contains("ConstrainCores"))
        return not_checked("scontrol show config does not show cgroup.conf of this cluster");
    for (const char* key : {"ConstrainCores", "ConstrainRAMSpace"})
        if (!has_word(site.slurm_value(key), "yes")) missing.push_back(fmt::format("{}=yes", key));
    if (!missing.empty())
        return bad(fmt::format("cgroup.conf lacks {}: a VM can use what belongs to other jobs",
                               fmt::join(missing, ", ")),
                   "set them on every host, then restart all slurmd");
    return good("Slurm confines the cores and the memory of jobs by cgroups");
}

// A plugin of Holon's that Slurm must load: there, and built for this release. SPANK wants the same
// major.minor, the others the same micro too.
Finding plugin(const Site& site, const std::string& file, bool exact) {
    const std::string directory = site.slurm_value("PluginDir");
    const auto path = find_plugin(directory, file);
    if (!path)
        return bad(fmt::format("{} is not in PluginDir ({})", file, directory),
                   "install Holon into that directory (cmake -DHOLON_SLURM_PLUGIN_DIR=…)");
    std::string release;
    try {
        release = built_for(*path);
    } catch (const Error& error) {
        return not_checked(
            fmt::format("{} is there; its Slurm release: {}", path->string(), error.what()));
    }
    const auto significant = [&](const std::string& text) {
        return exact ? text : text.substr(0, text.rfind('.'));
    };
    if (significant(release) != significant(site.slurm_release))
        return bad(fmt::format("{} was built for Slurm {}, this is {}", path->string(), release,
                               site.slurm_release),
                   "build Holon against the headers of this release");
    return good(fmt::format("{}, built for Slurm {}", path->string(), release));
}

Finding plugstack(const Site& site) {
    if (site.slurm.empty()) return not_checked(site.slurm_error);
    const std::string conf = site.slurm_value("PlugStackConfig");
    if (conf.empty())
        return bad("slurm.conf names no PlugStackConfig",
                   "set it to a file with: include plugstack.conf.d/*.conf");
    const auto entry = find_in_plugstack(conf, "spank_holon.so");
    if (!entry)
        return bad(
            fmt::format("{} does not name spank_holon.so", conf),
            fmt::format("add to {}: required spank_holon.so (or include plugstack.conf.d/*.conf)",
                        conf));
    return plugin(site, *entry, false);
}

Finding job_submit(const Site& site) {
    if (site.slurm.empty()) return not_checked(site.slurm_error);
    const std::string plugins = site.slurm_value("JobSubmitPlugins");
    if (!has_word(plugins, "holon") && !has_word(plugins, "job_submit/holon"))
        return bad(
            fmt::format("JobSubmitPlugins={} lacks holon: --vm-* options would not be checked",
                        plugins),
            "add holon to JobSubmitPlugins in slurm.conf, then restart slurmctld");
    return plugin(site, "job_submit_holon.so", true);
}

}  // namespace

std::optional<std::string> find_in_plugstack(const std::filesystem::path& conf,
                                             std::string_view file) {
    return search(conf, file, 8);
}

std::optional<std::filesystem::path> find_plugin(std::string_view plugin_dir,
                                                 const std::string& file) {
    std::error_code ignored;
    if (file.starts_with('/')) {
        if (std::filesystem::exists(file, ignored)) return file;
        return std::nullopt;
    }
    for (const std::string& directory : split_list(plugin_dir, ':'))
        if (const auto path = std::filesystem::path(directory) / file;
            std::filesystem::exists(path, ignored))
            return path;
    return std::nullopt;
}

std::string release_text(std::uint32_t number) {
    return fmt::format("{}.{:02}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
}

std::string built_for(const std::filesystem::path& plugin) {
    // In a child: it is code, and its functions of Slurm's are missing here.
    return in_child(
        [&] {
            void* const handle = ::dlopen(plugin.c_str(), RTLD_LAZY | RTLD_LOCAL);
            if (handle == nullptr) throw Error("{}", ::dlerror());
            const auto* const version =
                static_cast<const std::uint32_t*>(::dlsym(handle, "plugin_version"));
            if (version == nullptr) throw Error("it has no plugin_version");
            return release_text(*version);
        },
        std::chrono::seconds(10));
}

std::vector<Check> slurm_checks() {
    return {
        {"prolog", on_node | on_controller, flags},
        {"interactive", on_node | on_controller, launch},
        {"confinement", on_node | on_controller, confinement},
        {"spank", everywhere, plugstack},
        {"job_submit", on_controller, job_submit},
        {"select", on_controller, select_plugin},
    };
}

}  // namespace holon::cli
