// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/environment.h"

#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace holon::run {
namespace {

constexpr std::string_view host_prefixes[] = {
    "SLURM_SPANK_", "_SLURM_SPANK_", "SPANK_", "SLURM_RLIMIT_", "SSH_",    "XDG_",
    "PMIX_",        "PMI_",          "DBUS_",  "LISTEN_",       "SYSTEMD_"};
constexpr std::string_view host_names[] = {
    "HOSTNAME",       "HOST",    "HOLON_CONFIG",  "HOLON_SPEC", "INVOCATION_ID",
    "JOURNAL_STREAM", "MAIL",    "NOTIFY_SOCKET", "DISPLAY",    "XAUTHORITY",
    "WINDOWID",       "TMUX",    "TMUX_PANE",     "STY",        "WAYLAND_DISPLAY",
    "MANAGERPID",     "LOGNAME", "USER",          "HOME",       "SHELL",
    "SLURM_UMASK"};

std::string_view name_of(std::string_view entry) { return entry.substr(0, entry.find('=')); }

bool stays_on_host(std::string_view name) {
    for (auto prefix : host_prefixes)
        if (name.starts_with(prefix)) return true;
    return std::find(std::begin(host_names), std::end(host_names), name) != std::end(host_names);
}

// mpirun sees Slurm's variables and would start its daemons with srun, on the nodes. In VMs it
// starts them with ssh, on the hosts of the hostfile. The names are those of OpenMPI 4.
constexpr std::pair<const char*, const char*> mpi_defaults[] = {
    {"OMPI_MCA_plm", "rsh"}, {"OMPI_MCA_ras", "^slurm"}, {"OMPI_MCA_ess", "^slurm"}};

constexpr struct {
    const char* name;
    const char* slurm;
    int which;
} limits[] = {
    {"as", "AS", RLIMIT_AS},
    {"core", "CORE", RLIMIT_CORE},
    {"cpu", "CPU", RLIMIT_CPU},
    {"data", "DATA", RLIMIT_DATA},
    {"fsize", "FSIZE", RLIMIT_FSIZE},
    {"memlock", "MEMLOCK", RLIMIT_MEMLOCK},
    {"nofile", "NOFILE", RLIMIT_NOFILE},
    {"nproc", "NPROC", RLIMIT_NPROC},
    {"rss", "RSS", RLIMIT_RSS},
    {"stack", "STACK", RLIMIT_STACK},
};

}  // namespace

std::vector<std::string> guest_environment(const std::vector<std::string>& environment,
                                           const os::Identity& user,
                                           const std::map<std::string, std::string>& holon) {
    std::map<std::string, std::string> added = holon;
    if (!user.home.empty()) added.emplace("HOME", user.home);
    if (!user.shell.empty()) added.emplace("SHELL", user.shell);
    if (!user.name.empty()) {
        added.emplace("USER", user.name);
        added.emplace("LOGNAME", user.name);
    }
    std::vector<std::string> out;
    std::map<std::string, std::string> defaults = {{"TMPDIR", "/tmp"}};
    for (const auto& [name, value] : mpi_defaults) defaults.emplace(name, value);
    for (const auto& entry : environment) {
        auto name = name_of(entry);
        if (name.empty() || name.size() == entry.size() || stays_on_host(name) ||
            added.contains(std::string(name)))
            continue;
        defaults.erase(std::string(name));
        out.push_back(entry);
    }
    added.merge(defaults);
    for (const auto& [name, value] : added) out.push_back(name + "=" + value);
    return out;
}

std::vector<std::string> as_on_one_node(const std::vector<std::string>& environment,
                                        const std::string& host, std::uint32_t cpus) {
    const auto value_of = [&](std::string_view name, const std::string& otherwise) {
        for (const auto& entry : environment)
            if (name_of(entry) == name && entry.size() > name.size())
                return entry.substr(name.size() + 1);
        return otherwise;
    };
    const std::string count = std::to_string(cpus);
    const std::string tasks = value_of("SLURM_NTASKS", "1");
    const std::string step_tasks = value_of("SLURM_STEP_NUM_TASKS", tasks);
    const std::string rank = value_of("SLURM_PROCID", "0");
    const std::map<std::string_view, std::string> changed = {
        {"SLURM_JOB_NUM_NODES", "1"},
        {"SLURM_NNODES", "1"},
        {"SLURM_STEP_NUM_NODES", "1"},
        {"SLURM_JOB_NODELIST", host},
        {"SLURM_NODELIST", host},
        {"SLURM_STEP_NODELIST", host},
        {"SLURMD_NODENAME", host},
        {"SLURM_TOPOLOGY_ADDR", host},
        {"SLURM_TOPOLOGY_ADDR_PATTERN", "node"},
        {"SLURM_NODEID", "0"},
        {"SLURM_LOCALID", rank},
        {"SLURM_JOB_CPUS_PER_NODE", count},
        {"SLURM_CPUS_ON_NODE", count},
        {"SLURM_TASKS_PER_NODE", tasks},
        {"SLURM_STEP_TASKS_PER_NODE", step_tasks},
    };
    std::vector<std::string> out;
    for (const auto& entry : environment) {
        const auto name = name_of(entry);
        if (name.starts_with("SLURM_CPU_BIND") || name.starts_with("SLURM_MEM_BIND") ||
            name == "SLURM_GTIDS" || name == "SLURM_NODE_ALIASES")
            continue;
        const auto found = changed.find(name);
        out.push_back(found == changed.end() ? entry : std::string(name) + "=" + found->second);
    }
    return out;
}

std::map<std::string, Limit> task_limits(const std::vector<std::string>& environment,
                                         const std::map<std::string, Limit>& current) {
    std::map<std::string, Limit> out = current;
    for (const auto& entry : environment) {
        constexpr std::string_view prefix = "SLURM_RLIMIT_";
        std::string_view text = entry;
        if (!text.starts_with(prefix)) continue;
        auto equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        auto name = text.substr(prefix.size(), equals - prefix.size());
        text.remove_prefix(equals + 1);
        if (text.starts_with('U')) text.remove_prefix(1);  // asked for with --propagate
        std::uint64_t value = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size()) continue;
        for (const auto& limit : limits) {
            if (name != limit.slurm) continue;
            auto& [soft, hard] = out[limit.name];
            soft = value == RLIM_INFINITY ? std::nullopt : std::optional(value);
            if (hard && (!soft || *soft > *hard)) soft = hard;
        }
    }
    return out;
}

std::map<std::string, Limit> current_limits() {
    std::map<std::string, Limit> out;
    auto number = [](rlim_t value) -> std::optional<std::uint64_t> {
        if (value == RLIM_INFINITY) return std::nullopt;
        return value;
    };
    for (const auto& limit : limits) {
        rlimit now{};
        if (::getrlimit(static_cast<__rlimit_resource>(limit.which), &now) == 0)
            out[limit.name] = {number(now.rlim_cur), number(now.rlim_max)};
    }
    return out;
}

}  // namespace holon::run
