// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/poweroff.h"

#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "guest/files.h"
#include "guest/log.h"

namespace holon::guest {
namespace {

using Clock = std::chrono::steady_clock;

// Until there is no child left, i.e. (as PID 1) no process. SIGCHLD is blocked, so it can be waited
// for.
void reap_all(std::chrono::seconds limit) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    const auto deadline = Clock::now() + limit;
    for (;;) {
        pid_t pid = 0;
        while ((pid = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now()).count();
        if (pid < 0 || left <= 0) return;
        const timespec wait{left / 1'000'000'000, left % 1'000'000'000};
        ::sigtimedwait(&child, nullptr, &wait);
    }
}

void release_file_systems() {
    const auto text = read_file_or_empty("/proc/mounts");
    std::vector<std::string> targets;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        const auto line = text.substr(start, end - start);
        const auto from = line.find(' ') + 1;
        if (line.starts_with("/dev/"))
            targets.push_back(line.substr(from, line.find(' ', from) - from));
        start = end + 1;
    }
    // Inner mounts come last in the list.
    for (auto target = targets.rbegin(); target != targets.rend(); ++target)
        if (*target == "/" || ::umount2(target->c_str(), 0) < 0)
            ::mount(nullptr, target->c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

}  // namespace

void power_off() {
    log("powering off");
    ::kill(-1, SIGTERM);
    ::kill(-1, SIGCONT);
    reap_all(std::chrono::seconds(2));
    ::kill(-1, SIGKILL);
    reap_all(std::chrono::seconds(2));
    ::sync();
    release_file_systems();
    ::reboot(RB_POWER_OFF);
    // Not reached, unless the kernel cannot.
    ::reboot(RB_HALT_SYSTEM);
    for (;;) ::pause();
}

}  // namespace holon::guest
