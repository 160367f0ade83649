// SPDX-License-Identifier: GPL-2.0-or-later
//
// What /proc and the memory of another process say about it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace holon::ssi::inject {

// True when a runtime lies in the process: seen in its memory, for fork copies it unnoticed.
bool has_runtime(pid_t process);

// True when the page is as its file has it (or not yet there): then the kernel can bring it back.
bool page_is_clean(pid_t process, std::uint64_t address);

// The process (thread group) of a task; 0 when it is gone.
pid_t process_of(pid_t task);

// In clock ticks since boot, tells a process from a later one of the same id; 0 when it is gone.
std::uint64_t start_time(pid_t process);

}  // namespace holon::ssi::inject
