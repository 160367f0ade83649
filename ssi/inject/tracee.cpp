// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/tracee.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "plugins/os/fd.h"

namespace holon::ssi::inject {

Tracee::Tracee(pid_t task) : id_(task) {
    if (::ptrace(PTRACE_SEIZE, task, nullptr, PTRACE_O_TRACEEXEC) == 0)
        held_ = true;
    else
        error_ = errno;
}

Tracee::~Tracee() { let_go(); }

void Tracee::interrupt() { ::ptrace(PTRACE_INTERRUPT, id_, nullptr, nullptr); }

Tracee::Stop Tracee::wait() {
    int status = 0;
    pid_t task = 0;
    do task = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
    while (task < 0 && errno == EINTR);
    if (task < 0 || !WIFSTOPPED(status)) {
        held_ = false;
        return Stop::gone;
    }
    id_ = task;
    const int event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) return Stop::exec;
    // A signal about to be delivered rather than the stop asked for: it is delivered on letting go.
    signal_ = event == 0 ? WSTOPSIG(status) : 0;
    return Stop::other;
}

bool Tracee::registers(user_regs_struct& into) const {
    return ::ptrace(PTRACE_GETREGS, id_, nullptr, &into) == 0;
}

bool Tracee::set_registers(const user_regs_struct& from) const {
    return ::ptrace(PTRACE_SETREGS, id_, nullptr, &from) == 0;
}

bool Tracee::set_instruction_pointer(std::uint64_t address) const {
    return ::ptrace(PTRACE_POKEUSER, id_, offsetof(user, regs.rip), address) == 0;
}

bool Tracee::write(std::uint64_t address, std::span<const std::byte> content) const {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/mem", id_);
    const os::Fd memory(::open(path, O_WRONLY | O_CLOEXEC));
    return memory.valid() &&
           ::pwrite(memory.get(), content.data(), content.size(), static_cast<off_t>(address)) ==
               static_cast<ssize_t>(content.size());
}

bool Tracee::unblock_signal(int signal) const {
    std::uint64_t mask = 0;
    if (::ptrace(PTRACE_GETSIGMASK, id_, sizeof mask, &mask) != 0) return false;
    const std::uint64_t without = mask & ~(1ull << (signal - 1));
    return without == mask || ::ptrace(PTRACE_SETSIGMASK, id_, sizeof without, &without) == 0;
}

void Tracee::let_go() {
    if (!held_) return;
    held_ = false;
    if (::ptrace(PTRACE_DETACH, id_, nullptr, static_cast<unsigned long>(signal_)) == 0) return;
    // Killed while it stood: it is ours until its end has been waited for.
    int status = 0;
    while (::waitpid(-1, &status, __WALL | __WNOTHREAD) > 0 || errno == EINTR) {
    }
}

}  // namespace holon::ssi::inject
