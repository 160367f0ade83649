// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bare system call, which no C library wraps.
#pragma once

#include <linux/futex.h>

#include "program.h"

inline long futex(std::uint32_t* word, int operation, std::uint32_t value,
                  const timespec* time_out = nullptr, std::uint32_t* second = nullptr,
                  std::uint32_t third = 0) {
    return syscall(SYS_futex, word, operation, value, time_out, second, third);
}
/// For operations whose fourth argument is a number.
inline long futex(std::uint32_t* word, int operation, std::uint32_t value, long number,
                  std::uint32_t* second, std::uint32_t third) {
    return syscall(SYS_futex, word, operation, value, number, second, third);
}
