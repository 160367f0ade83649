// SPDX-License-Identifier: GPL-2.0-or-later
// Version 1: step_X/freezer.state (THAWED, FREEZING or FROZEN); version 2:
// step_X/user/cgroup.freeze (0 or 1), as Slurm's proctrack/cgroup writes them (22.05 and 24.11). A
// write(2) to a file of cgroupfs, and a mkdir(2) in it, make events as elsewhere.
#include "plugins/vm/frozen_steps.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::vm {
namespace {

constexpr std::array<const char*, 2> state_files{"freezer.state", "cgroup.freeze"};
constexpr int below_job = 2;  // step_X/user

// What ends meanwhile is not frozen.
std::string state_in(const std::filesystem::path& file) {
    try {
        return os::read_file_if_exists(file).value_or("");
    } catch (const Error&) {
        return {};
    }
}

}  // namespace

FrozenSteps::FrozenSteps(const JobCgroup& cgroup)
    : events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    if (!events_.valid()) throw Error("inotify: {}", errno_text());
    std::error_code error;
    for (const auto& directory : cgroup.job_directories)
        for (const char* name : state_files)
            if (std::filesystem::exists(directory / name, error)) jobs_.push_back(directory);
}

// Each is watched before it is read, so that nothing is missed in between; to be watched twice does
// no harm.
bool FrozenSteps::look_into(const std::filesystem::path& directory, int depth) {
    ::inotify_add_watch(events_.get(), directory.c_str(), IN_CREATE | IN_ONLYDIR);
    bool frozen = false;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        std::error_code gone;
        if (depth == 0 ? name.starts_with("step_") : depth < below_job && entry->is_directory(gone))
            frozen = look_into(entry->path(), depth + 1) || frozen;
        if (depth == 0) continue;
        for (const char* file : state_files) {
            if (name != file) continue;
            ::inotify_add_watch(events_.get(), entry->path().c_str(), IN_MODIFY);
            const std::string state = state_in(entry->path());
            frozen = frozen || state.starts_with("FR") || state.starts_with("1");
        }
    }
    return frozen;
}

bool FrozenSteps::look() {
    std::array<char, 4096> events{};
    while (::read(events_.get(), events.data(), events.size()) > 0) {
    }
    bool frozen = false;
    for (const auto& job : jobs_) frozen = look_into(job, 0) || frozen;
    return frozen;
}

}  // namespace holon::vm
