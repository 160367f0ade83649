// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the daemon tells the runtime when it puts it into a process, and what the runtime's file
// tells the daemon. Plain structures of fixed layout: daemon and runtime are of one build (abi is
// compared), so no versions beyond that.
#pragma once

#include <cstdint>

#include "ssi/control/cpu_mask.h"

namespace holon::ssi {

inline constexpr std::uint32_t runtime_abi = 1;

/// The first bytes of the runtime's first PT_LOAD segment (section .ssi.header). Addresses are
/// absolute.
struct RuntimeHeader {
    std::uint64_t magic;  ///< runtime_magic
    std::uint32_t abi;    ///< runtime_abi
    std::uint32_t reserved;
    std::uint64_t injected;  ///< entry when injected at exec: see struct Injection
};
inline constexpr std::uint64_t runtime_magic = 0x31'69'73'73'6e'6c'6f'68;  // "holnssi1"

/// What a SIGSYS of the daemon's says (its value, code SI_QUEUE): the program is about to make a
/// call that is the runtime's from now on (clone), or this once (getrusage; wait4 and waitid).
inline constexpr int handed_over_clone = 1, handed_over_usage = 2, handed_over_wait = 3;

/// Lies at layout::parameters.
struct Parameters {
    static constexpr std::uint32_t spread =
        1;  ///< place threads round-robin over all CPUs, load or not (tests)
    static constexpr std::uint32_t home_only = 2;  ///< never leave home (the process is pinned)
    static constexpr std::uint32_t no_migratory = 4;
    static constexpr std::uint32_t trace =
        8;  ///< one line on fd 2 for each forwarded call (debugging the engine)

    std::uint32_t abi;
    std::uint32_t flags;
    std::uint64_t
        daemon_uid;  ///< whom SO_PEERCRED must show at the other end of the control socket
    /// Abstract address of the daemon's control socket, without the leading zero byte;
    /// zero-terminated.
    char control[96];
    KernelCpus cpus;          ///< of this kernel, that stand for the home's CPUs
    std::uint32_t cpu_count;  ///< how many CPUs the home has as programs see it
    std::uint32_t reserved;
    /// Random bytes while the process asks for its own memory: who has them here and in the request
    /// is the same (ControlType::own_memory). Zeros otherwise.
    std::uint8_t proof[16];
};

/// At the injected entry RDI points to this, somewhere in the loader's own code page, RSP is the
/// stack as execve left it (argc, argv, envp, auxv), every other register is 0 as after execve. The
/// loader has already mapped the runtime's file and the parameters' page and filled the latter.
struct Injection {
    std::uint64_t entry;        ///< where the program (or its ELF interpreter) was to start
    std::uint64_t loader_page;  ///< page-aligned start of the code the loader overwrote;
                                ///< MADV_DONTNEED there restores it
    std::uint64_t loader_size;  ///< bytes, whole pages
};

}  // namespace holon::ssi
