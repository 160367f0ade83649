// SPDX-License-Identifier: GPL-2.0-or-later
// In slurmstepd, as root: holond learns the job's cgroup from a process that lives in it. The first
// that does is the extern step's (PrologFlags=Contain); a task of any step serves as well, should
// that message have been lost.
#include <dirent.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/rpc/rpc.h"
#include "spank/contexts.h"
#include "spank/job_record.h"

namespace holon::spank {
namespace {

constexpr std::chrono::milliseconds budget{1000};

void report(std::uint32_t job, pid_t member) {
    nlohmann::json request = {{"op", "container"}, {"job", job}, {"pid", member}};
    try {
        rpc::Client::local(budget, arguments().socket).call(request, budget);
    } catch (const Error& error) {
        slurm_info("holon: job %u: %s", job, error.what());
    }
}

bool in_cgroup_of(pid_t pid, std::uint32_t job) {
    auto text = os::read_file_if_exists(fmt::format("/proc/{}/cgroup", pid));
    return text && text->find(fmt::format("/job_{}/", job)) != std::string::npos;
}

// SPANK gives no pid for the extern step's process; it is this process's child.
pid_t child_in_cgroup(std::uint32_t job) {
    std::string tasks = "/proc/self/task";
    std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(tasks.c_str()), ::closedir);
    if (!folder) return 0;
    while (const dirent* entry = ::readdir(folder.get())) {
        if (entry->d_name[0] == '.') continue;
        auto text = os::read_file_if_exists(tasks + "/" + entry->d_name + "/children");
        if (!text) continue;
        const char* at = text->c_str();
        char* end = nullptr;
        for (long pid = std::strtol(at, &end, 10); end != at; pid = std::strtol(at, &end, 10)) {
            if (in_cgroup_of(static_cast<pid_t>(pid), job)) return static_cast<pid_t>(pid);
            at = end;
        }
    }
    return 0;
}

}  // namespace

void extern_step(spank_t sp) {
    std::uint32_t job = 0;
    if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS || !is_vm_job(job) || has_failure(job))
        return;
    pid_t pid = child_in_cgroup(job);
    report(job, pid != 0 ? pid : ::getpid());
}

void forked_task(spank_t sp) {
    std::uint32_t job = 0;
    int task = -1;
    pid_t pid = 0;
    if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS || !is_vm_job(job) || has_failure(job))
        return;
    if (spank_get_item(sp, S_TASK_ID, &task) != ESPANK_SUCCESS || task != 0) return;
    if (spank_get_item(sp, S_TASK_PID, &pid) != ESPANK_SUCCESS || pid <= 0) return;
    report(job, pid);
}

}  // namespace holon::spank
