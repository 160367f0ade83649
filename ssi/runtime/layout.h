// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where the engine's runtime lies in every process it enters: one range of addresses, the same at
// home and on every other node, which no program of ours ever sees mapped for itself. Code, data,
// stacks, tables and buffers of the runtime are all inside, and nothing of the program is: the
// runtime may touch its own range while the program's memory is missing, and system calls made from
// inside it are never intercepted.
//
// The range is exactly the addresses whose upper 32 bits are 0x7e80, so that a seccomp filter tells
// it from the rest with one comparison of the instruction pointer's upper word. Nothing that Linux,
// glibc, Go or the JVM place by default lies there (PIE 0x55…–0x56…, mmap and stack within 2^40
// below 0x7fff…, Go arenas 0xc0…). AddressSanitizer has its heap at 0x6000… (0x5000… since LLVM
// 17), and ThreadSanitizer lets nothing be mapped outside its application ranges, of which this is
// in one.
#pragma once

#include <cstdint>

namespace holon::ssi::layout {

inline constexpr std::uint64_t page_size = 4096;

inline constexpr std::uint64_t range_begin = 0x7e80'0000'0000;
inline constexpr std::uint64_t range_end = 0x7e81'0000'0000;

/// The page of parameters: struct Parameters (parameters.h), anonymous memory, written before the
/// runtime starts.
inline constexpr std::uint64_t parameters = range_begin;

/// What the runtime writes to, .data and .bss, next to the parameters: one mapping at exec.
inline constexpr std::uint64_t data = parameters + page_size;

/// The runtime's code is linked to begin here; its header (struct RuntimeHeader) is the first thing
/// in it.
inline constexpr std::uint64_t image = range_begin + 0x10'0000;

/// The vDSO that programs are given: an ELF image of the runtime's own (ssi/vdso), pages of its
/// file right before its code: one mapping, too. AT_SYSINFO_EHDR points here.
inline constexpr std::uint64_t vdso = image - 2 * page_size;

/// From here to range_end: memory that the runtime allocates for itself.
inline constexpr std::uint64_t arena = range_begin + 0x1000'0000;

/// A page with one instruction, `syscall`, and the return from it: what is called there comes from
/// outside the range, as if the program had made it (entry.S, ssi_notified).
inline constexpr std::uint64_t notified = range_end;

constexpr bool in_range(std::uint64_t address) {
    return address >= range_begin && address < range_end;
}

}  // namespace holon::ssi::layout
