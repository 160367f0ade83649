// SPDX-License-Identifier: GPL-2.0-or-later
// Slurm's layout (22.05 src/plugins/cgroup/v1/cgroup_v1.c, 24.11 src/plugins/cgroup/v2):
// …/job_N/step_X[/…]; the part before job_N differs between releases and settings, so it is read
// from a process of the job, never guessed.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <sstream>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"
#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

constexpr const char* leaf_name = "holon";

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

// Where each cgroup hierarchy is mounted: controller list of version 1 ("cpu,cpuacct") by its
// single controllers, or "" for version 2. A bind mount of a part of a hierarchy has a root other
// than "/", which is cut from paths.
struct Mount {
    std::string root, point;
};
std::map<std::string, Mount> cgroup_mounts(const std::string& mountinfo) {
    std::map<std::string, Mount> mounts;
    std::istringstream lines(mountinfo);
    for (std::string line; std::getline(lines, line);) {
        size_t dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        auto before = split(line.substr(0, dash), ' ');
        auto after = split(line.substr(dash + 3), ' ');
        if (before.size() < 5 || after.size() < 3) continue;
        Mount mount{before[3], before[4]};
        if (after[0] == "cgroup2") mounts[""] = mount;
        if (after[0] == "cgroup")
            for (const auto& option : split(after[2], ',')) mounts[option] = mount;
    }
    return mounts;
}

std::string read_trimmed(const std::filesystem::path& path) {
    auto text = os::read_file_if_exists(path);
    if (!text) return {};
    text->erase(text->find_last_not_of(" \n\t") + 1);
    return *text;
}

void write_to(const std::filesystem::path& path, const std::string& text) {
    os::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid() || ::write(fd.get(), text.data(), text.size()) < 0)
        throw Error("{}: {}", path.string(), errno_text());
}

std::uint64_t counter(const std::filesystem::path& path, const std::string& key) {
    std::istringstream lines(os::read_file_if_exists(path).value_or(""));
    std::string name;
    for (std::uint64_t value = 0; lines >> name >> value;)
        if (name == key) return value;
    return 0;
}

std::vector<pid_t> members(const std::filesystem::path& cgroup) {
    std::vector<pid_t> pids;
    std::istringstream text(os::read_file_if_exists(cgroup / "cgroup.procs").value_or(""));
    for (pid_t pid; text >> pid;) pids.push_back(pid);
    return pids;
}

// SIGKILL to everything in the cgroup, and its death awaited.
void kill_members(const std::filesystem::path& cgroup) {
    std::vector<os::Fd> processes;
    for (pid_t pid : members(cgroup)) {
        os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!process.valid()) continue;
        ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
        processes.push_back(std::move(process));
    }
    for (const auto& process : processes) {
        pollfd ended{process.get(), POLLIN, 0};
        ::poll(&ended, 1, 5000);
    }
}

// The part of PATH up to and with the component NAME; empty where it has none.
std::string up_to(const std::string& path, const std::string& name) {
    const size_t at = (path + "/").find("/" + name + "/");
    return at == std::string::npos ? std::string() : path.substr(0, at + 1 + name.size());
}

// PATH within its hierarchy as seen through MOUNT, which may show only the part of it below its
// root.
std::filesystem::path through(const Mount& mount, std::string path) {
    if (mount.root != "/" && (path + "/").starts_with(mount.root + "/"))
        path.erase(0, mount.root.size());
    return mount.point + path;
}

}  // namespace

JobCgroup find_job_cgroup(const std::string& membership, const std::string& mountinfo,
                          std::uint32_t job) {
    JobCgroup found;
    const auto mounts = cgroup_mounts(mountinfo);
    const std::string component = fmt::format("job_{}", job);
    std::istringstream lines(membership);
    for (std::string line; std::getline(lines, line);) {
        // "4:memory:/slurm/uid_1000/job_42/step_extern", version 2: "0::/…"
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const std::string path = up_to(line.substr(second + 1), component);
        if (path.empty()) continue;
        const auto mount = mounts.find(controllers.empty() ? "" : split(controllers, ',').front());
        if (mount == mounts.end()) continue;
        const std::filesystem::path directory = through(mount->second, path);
        if (!std::filesystem::exists(directory)) continue;
        found.job_directories.push_back(directory);
        std::string limit = read_trimmed(directory / "memory.limit_in_bytes");
        if (limit.empty()) limit = read_trimmed(directory / "memory.max");
        // Version 1 writes "no limit" as the largest multiple of a page, version 2 as "max".
        if (!limit.empty() && limit != "max")
            if (std::uint64_t bytes = std::strtoull(limit.c_str(), nullptr, 10);
                bytes < (1ull << 60))
                found.memory_limit_mb = bytes >> 20;
        std::string cpus = read_trimmed(directory / "cpuset.cpus");
        if (cpus.empty()) cpus = read_trimmed(directory / "cpuset.cpus.effective");
        if (!cpus.empty()) found.cpus = cpus;
    }
    return found;
}

JobCgroup find_job_cgroup(pid_t member, std::uint32_t job) {
    JobCgroup found = find_job_cgroup(os::read_file(fmt::format("/proc/{}/cgroup", member)),
                                      os::read_file("/proc/self/mountinfo"), job);
    if (found.job_directories.empty())
        throw Error("process {} is in no cgroup of job {}: is ProctrackType=proctrack/cgroup set?",
                    member, job);
    return found;
}

void enter_leaf(const JobCgroup& cgroup, pid_t pid) {
    for (const auto& directory : cgroup.job_directories) {
        auto leaf = directory / leaf_name;
        if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST)
            throw Error("{}: {}", leaf.string(), errno_text());
        // A new cpuset of version 1 is empty and takes no process.
        for (const char* name : {"cpuset.cpus", "cpuset.mems"})
            if (std::filesystem::exists(leaf / "cpuset.cpu_exclusive"))
                write_to(leaf / name, read_trimmed(directory / name));
        // Memory that QEMU has touched so far (not the guest's) comes along.
        if (std::filesystem::exists(leaf / "memory.move_charge_at_immigrate")) {
            try {
                write_to(leaf / "memory.move_charge_at_immigrate", "3");
            } catch (const Error&) {
                // Newer kernels dropped it; then those few megabytes stay with libvirtd.
            }
        }
        write_to(leaf / "cgroup.procs", std::to_string(pid));
    }
}

std::uint64_t oom_kills(const JobCgroup& cgroup) {
    // Version 1 counts at the victim's cgroup alone, version 2 at every ancestor too.
    std::uint64_t kills = 0;
    for (const auto& directory : cgroup.job_directories)
        kills += counter(directory / "memory.oom_control", "oom_kill") +
                 counter(directory / leaf_name / "memory.oom_control", "oom_kill") +
                 counter(directory / "memory.events", "oom_kill");
    return kills;
}

void remove_leaf(const JobCgroup& cgroup) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (const auto& directory : cgroup.job_directories) {
        auto leaf = directory / leaf_name;
        if (std::filesystem::exists(leaf)) kill_members(leaf);
        while (::rmdir(leaf.c_str()) != 0 && errno != ENOENT) {
            // A process that was just killed counts until its parent, libvirtd, or init has
            // collected it.
            if (errno != EBUSY || std::chrono::steady_clock::now() > deadline)
                throw Error("{}: {}", leaf.string(), errno_text());
            ::poll(nullptr, 0, 10);
        }
        // Slurm could not remove these while the leaf was there; they go only if nothing else is in
        // them.
        if (::rmdir(directory.c_str()) == 0 &&
            directory.parent_path().filename().string().rfind("uid_", 0) == 0)
            ::rmdir(directory.parent_path().c_str());
    }
}

}  // namespace holon::vm
