// SPDX-License-Identifier: GPL-2.0-or-later
//
// ptrace, as far as injection needs it: one task, held for the time of one system call.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace holon::ssi::inject {

// A task seized with PTRACE_O_TRACEEXEC by the calling thread, which must be the only one to use
// this object and must hold no other at the time: stops are waited for with waitpid(-1), because a
// thread that executes a program comes back under its leader's id. Let go on destruction, if it is
// still there.
class Tracee {
  public:
    // errno when the task cannot be seized: it is traced by another, or gone.
    explicit Tracee(pid_t task);
    ~Tracee();
    Tracee(const Tracee&) = delete;
    Tracee& operator=(const Tracee&) = delete;

    int error() const { return error_; }
    pid_t id() const { return id_; }

    // The task will stop: now, or, when it is on the way through execve, at the end of that.
    void interrupt();

    enum class Stop { none, exec, other, gone };
    // Waits for the next stop. `other`: execve failed, or the pending call was given up; `gone`:
    // the task ended. id() may be another one afterwards.
    Stop wait();
    // The stop was for a signal that arrived, not the one asked for.
    bool signalled() const { return signal_ != 0; }

    // False where the task has been killed meanwhile.
    bool registers(user_regs_struct& into) const;
    bool set_registers(const user_regs_struct& from) const;
    bool set_instruction_pointer(std::uint64_t address) const;
    // Through the protection of its pages, as a debugger writes a breakpoint.
    bool write(std::uint64_t address, std::span<const std::byte> content) const;
    bool unblock_signal(int signal) const;

    // The task goes on.
    void let_go();

  private:
    pid_t id_;
    int error_ = 0;
    bool held_ = false;
    int signal_ = 0;  // that the last stop was about, delivered when it is let go
};

}  // namespace holon::ssi::inject
