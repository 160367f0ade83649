// SPDX-License-Identifier: GPL-2.0-or-later
//
// What /proc and the memory of another process say about it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace holon::ssi::inject {

// True when a runtime lies in the process: seen in its memory, for fork copies it unnoticed.
bool has_runtime(pid_t process);

// True when the process, which must be stopped, may write there. (The byte is written as it is.)
bool is_writable(pid_t process, std::uint64_t address);

// The process (thread group) of a task; 0 when it is gone.
pid_t process_of(pid_t task);

// In clock ticks since boot, tells a process from a later one of the same id; 0 when it is gone.
std::uint64_t start_time(pid_t process);

// True when a task counts processes as the caller does (PID namespace).
bool same_numbers(pid_t task);

// Of a process; 0 when it is gone.
pid_t parent_of(pid_t process);

// All tasks of this machine that run under a seccomp filter.
std::vector<pid_t> tasks_under_filter();

// The number of the system call that the task waits in; -1 when it waits in none.
long system_call_of(pid_t task);

}  // namespace holon::ssi::inject
