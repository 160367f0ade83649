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

/// How one clock of the program is made from this kernel's.
struct Clock {
    static constexpr std::int64_t unrelated = INT64_MIN;

    /// ns, what this clock shows when the program's monotonic clock shows 0. `unrelated` where the
    /// two do not run alike (MONOTONIC_RAW): the clock is read as it is.
    std::int64_t beyond_monotonic;
    /// The clock of this kernel to read: at home its own, elsewhere the monotonic one. Coarse
    /// clocks are read from fine ones: two kernels' ticks are not aligned, so a coarse clock handed
    /// over could be seen to go back by a tick.
    std::uint8_t source;
    /// 0: this clock is not made here at all, but asked of `forward` (CPU time sums all nodes;
    /// MONOTONIC_RAW of another machine is not ours).
    std::uint8_t local;
    std::uint8_t reserved[6];
};

/// What the home's other clocks show beyond its monotonic one, ns: how other nodes make theirs.
struct Beyond {
    std::int64_t realtime, boottime, tai;
};

/// Invariants: functions are those of this kernel's own vDSO, or null; they are written before
/// `adjusted` is set. The program's time is that of the home's kernel, so at home the offset is 0.
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

    /// Odd while offset and clocks change: a reader that saw it change reads again, so that no
    /// time is made of an old offset after a new one is in force.
    std::uint32_t sequence;
    std::uint32_t reserved;
    /// ns, the home's monotonic clock less this kernel's, as far as known.
    std::int64_t offset;

    Clock clock[clocks];

    /// The program's number of each CPU of this kernel; of those from known_cpus on, first_cpu +
    /// number.
    std::uint16_t cpu[max_cpus];
};

inline constexpr std::uint64_t data_address = layout::parameters + 2048;
static_assert(sizeof(VdsoData) <= layout::page_size - 2048);

}  // namespace holon::ssi::vdso
