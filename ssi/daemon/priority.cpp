// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <string>

namespace holon::ssi::daemon {

bool is_thread_of(pid_t process, pid_t thread, uid_t user) {
    const std::string path = "/proc/" + std::to_string(process) + "/task/" + std::to_string(thread);
    struct stat status {};
    return thread > 0 && ::stat(path.c_str(), &status) == 0 && status.st_uid == user;
}

void run_before_all(pid_t thread) {
    sched_param parameters{};
    parameters.sched_priority = 1;
    if (::sched_setscheduler(thread, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0) return;
    parameters.sched_priority = 0;
    ::sched_setscheduler(thread, SCHED_OTHER | SCHED_RESET_ON_FORK, &parameters);
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(thread), -20);
}

}  // namespace holon::ssi::daemon
