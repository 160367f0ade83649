// SPDX-License-Identifier: GPL-2.0-or-later
//
// The vDSO that the program is given (ssi/vdso), put in place.
#pragma once

#include <cstdint>

namespace holon::ssi {

/// At exec: points AT_SYSINFO_EHDR to layout::vdso. `stack` is as execve
/// left it.
void give_vdso(std::uint64_t* stack);
/// The kernel's own, where it answers; null where there is none.
void use_kernel_vdso(const void* image);
/// The program's numbers of this kernel's CPUs 0, 1, …
void number_program_cpus(const std::uint16_t* numbers, std::uint32_t count);
/// At home: the address is in the kernel's own image.
bool in_kernel_vdso(std::uint64_t address);
/// At home, from now on: clocks are this kernel's, but never behind a message.
void adjust_clocks();
/// What getcpu says of the node.
void number_node(std::uint32_t node, std::uint32_t first_cpu);

}  // namespace holon::ssi
