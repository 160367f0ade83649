// SPDX-License-Identifier: GPL-2.0-or-later
// In the task, as the user: in a VM job holon-run takes the place of the program, which it runs in
// the VM.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "paths.h"
#include "plugins/os/error.h"
#include "spank/contexts.h"
#include "spank/job_record.h"

namespace holon::spank {
namespace {

struct Task {
    std::uint32_t job = 0, step = 0, local_tasks = 1, global = 0;
    int local = 0;
};

Task task_of(spank_t sp) {
    Task task;
    if (spank_get_item(sp, S_JOB_ID, &task.job) != ESPANK_SUCCESS ||
        spank_get_item(sp, S_JOB_STEPID, &task.step) != ESPANK_SUCCESS ||
        spank_get_item(sp, S_TASK_ID, &task.local) != ESPANK_SUCCESS ||
        spank_get_item(sp, S_TASK_GLOBAL_ID, &task.global) != ESPANK_SUCCESS ||
        spank_get_item(sp, S_JOB_LOCAL_TASK_COUNT, &task.local_tasks) != ESPANK_SUCCESS)
        throw Error("Slurm did not say which task this is");
    return task;
}

bool is_script(const Task& task) {
    return task.step == SLURM_BATCH_SCRIPT || task.step == SLURM_INTERACTIVE_STEP;
}

bool stays_on_host(const Task& task) {
    return is_script(task) ? script_stays_on_host(task.job) : given().contains("no-vm");
}

std::vector<std::string> command_of(const Task& task) {
    return {paths::holon_run,
            "--socket",
            arguments().socket,
            "--job",
            std::to_string(task.job),
            "--step",
            task.step == SLURM_BATCH_SCRIPT       ? "batch"
            : task.step == SLURM_INTERACTIVE_STEP ? "interactive"
                                                  : std::to_string(task.step),
            "--task",
            std::to_string(task.global),
            "--local-task",
            std::to_string(task.local),
            "--local-tasks",
            std::to_string(task.local_tasks),
            "--"};
}

}  // namespace

int task(spank_t sp) {
    std::uint32_t job = 0;
    if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS) return 0;
    if (!is_vm_job(job)) {
        if (!spec::wants_vms(given()) || given().contains("no-vm")) return 0;
        // Better no run than one on the wrong machine.
        slurm_error(
            "job %u: asks for VMs, but its prolog did not run here (PrologFlags=Alloc; see "
            "holon doctor)",
            job);
        return -1;
    }
    Task task = task_of(sp);
    if (stays_on_host(task)) return 0;

    std::vector<std::string> command = command_of(task);
    std::vector<const char*> argv;
    for (const auto& word : command) argv.push_back(word.c_str());
#if HOLON_CAN_PREPEND_ARGV
    if (::access(paths::holon_run, X_OK) != 0)
        throw Error("{}: {}", paths::holon_run, errno_text());
    if (spank_prepend_task_argv(sp, static_cast<int>(argv.size()), argv.data()) != ESPANK_SUCCESS)
        throw Error("the task could not be handed to holon-run");
    return 0;
#else
    // TaskProlog, TMPDIR and the propagation of limits come after this hook: holon-run sees to the
    // latter two, the first is not run for tasks in VMs.
    int count = 0;
    char** program = nullptr;
    char** environment = nullptr;
    if (spank_get_item(sp, S_JOB_ARGV, &count, &program) != ESPANK_SUCCESS ||
        spank_get_item(sp, S_JOB_ENV, &environment) != ESPANK_SUCCESS || program == nullptr)
        throw Error("Slurm did not say what to run");
    for (int i = 0; i < count && program[i] != nullptr; ++i) argv.push_back(program[i]);
    argv.push_back(nullptr);
    ::execve(paths::holon_run, const_cast<char**>(argv.data()), environment);
    throw Error("{}: {}", paths::holon_run, errno_text());
#endif
}

}  // namespace holon::spank
