// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the vDSO image reads: one structure at a fixed address, in the upper half of the page of
// parameters, written by the runtime of each process. All zero means: answer as the kernel does, by
// system calls.
#pragma once

#include <cstdint>

#include "ssi/runtime/layout.h"

namespace holon::ssi::vdso {

/// struct timespec and struct timeval, which a freestanding program has no header for.
struct Timespec {
    std::int64_t seconds;
    std::int64_t nanoseconds;
};
struct Timeval {
    std::int64_t seconds;
    std::int64_t microseconds;
};

inline constexpr unsigned clocks = 12;  ///< CLOCK_REALTIME = 0 … CLOCK_TAI = 11
inline constexpr unsigned realtime = 0;
inline constexpr unsigned monotonic = 1;

/// How one clock of the program is made from one of this kernel's.
struct Clock {
    static constexpr std::int64_t no_floor = INT64_MIN;

    std::int64_t offset;  ///< ns, added to what this kernel says
    /// ns, what this clock shows when the monotonic clock shows 0: it is never less than `floor`
    /// plus this. no_floor where the two do not run alike (MONOTONIC_RAW), or may be set back
    /// (REALTIME, where the home's clock is not kept in step).
    std::int64_t beyond_monotonic;
    /// The clock of this kernel to read. Coarse clocks are read from the fine ones: two kernels'
    /// ticks are not aligned, so a coarse clock handed over could be seen to go back by a tick.
    std::uint8_t source;
    /// 0: this clock is not made here at all, but asked of `forward` (CPU time sums all nodes).
    std::uint8_t local;
    std::uint8_t reserved[6];
};

/// Invariants: functions are those of this kernel's own vDSO, or null; they are written before
/// `adjusted` is set. Offsets and floors are in the home kernel's terms, so at home offsets are 0.
struct VdsoData {
    static constexpr unsigned max_cpus = 512;

    // This kernel's own vDSO.
    int (*clock_gettime)(int clock, Timespec* time);
    int (*gettimeofday)(Timeval* time, void* zone);
    int (*clock_getres)(int clock, Timespec* resolution);
    int (*getcpu)(unsigned* cpu, unsigned* node, void* unused);

    /// Asked for clocks that are not local, on the program's stack like any function of its own: 0
    /// or -errno. Null: the system call is made here. (A system call from inside the runtime's
    /// range is never intercepted, so the image cannot just make it and be caught.)
    int (*forward)(int clock, Timespec* time);

    std::uint32_t
        adjusted;        ///< 0: clocks are this kernel's; with known_cpus 0 its CPU numbers, too
    std::uint32_t node;  ///< number of this node
    std::uint32_t first_cpu;   ///< the program's number of this node's first CPU
    std::uint32_t known_cpus;  ///< entries used in `cpu`

    /// ns of the monotonic clock: the highest that was seen in a frame. Whoever has got a message
    /// never reads less than its sender had read. Only raised (raise_floor in clock.h).
    std::uint64_t floor;

    Clock clock[clocks];

    /// The program's number of each CPU of this kernel; of those from known_cpus on, first_cpu +
    /// number.
    std::uint16_t cpu[max_cpus];
};

inline constexpr std::uint64_t data_address = layout::parameters + 2048;
static_assert(sizeof(VdsoData) <= layout::page_size - 2048);

}  // namespace holon::ssi::vdso
