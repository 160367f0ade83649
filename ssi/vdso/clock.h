// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reading clocks by a VdsoData. Inline and freestanding: the vDSO image and the runtime, which
// answers the same questions when they come as system calls, each compile it with their own flags.
#pragma once

#include "ssi/vdso/vdso_data.h"

namespace holon::ssi::vdso {

inline long system_call(long number, long a, long b, long c = 0) {
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "0"(number), "D"(a), "S"(b), "d"(c)
                 : "rcx", "r11", "memory");
    return result;
}

inline constexpr std::int64_t second = 1'000'000'000;

/// This kernel's clock. 0 or -errno.
inline int read_local(const VdsoData& data, int clock, Timespec* time) {
    if (data.clock_gettime != nullptr) return data.clock_gettime(clock, time);
    return int(system_call(228, clock, long(time)));
}

inline std::uint64_t floor_of(const VdsoData& data) {
    return __atomic_load_n(&data.floor, __ATOMIC_ACQUIRE);
}

/// What a received frame says: nobody here reads less than `clock` from now on.
inline void raise_floor(VdsoData& data, std::uint64_t clock) {
    std::uint64_t seen = __atomic_load_n(&data.floor, __ATOMIC_RELAXED);
    while (seen < clock && !__atomic_compare_exchange_n(&data.floor, &seen, clock, true,
                                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    }
}

/// The program's clock, for the clock numbers the kernel has. 0 or -errno.
inline int read_clock(const VdsoData& data, int number, Timespec* time) {
    if (__atomic_load_n(&data.adjusted, __ATOMIC_ACQUIRE) == 0)
        return read_local(data, number, time);
    if (unsigned(number) >= clocks || data.clock[number].local == 0)
        return data.forward != nullptr ? data.forward(number, time)
                                       : read_local(data, number, time);

    const Clock& clock = data.clock[number];
    // Before the clock: a floor that is raised while it is read is one this reader need not know.
    const std::uint64_t floor = floor_of(data);
    Timespec local;
    if (const int error = read_local(data, clock.source, &local); error != 0) return error;
    std::int64_t now = local.seconds * second + local.nanoseconds + clock.offset;
    if (clock.beyond_monotonic != Clock::no_floor) {
        const std::int64_t least = std::int64_t(floor) + clock.beyond_monotonic;
        // A floor of 0 is none: before the first frame nothing is known.
        if (floor != 0 && now < least) now = least;
    }
    if (now < 0) {  // a clock before the epoch rounds down
        time->seconds = (now - (second - 1)) / second;
        time->nanoseconds = now - time->seconds * second;
        return 0;
    }
    time->seconds = std::int64_t(std::uint64_t(now) / std::uint64_t(second));
    time->nanoseconds = now - time->seconds * second;
    return 0;
}

/// The program's monotonic clock in ns, as the frames carry it.
inline std::uint64_t monotonic_now(const VdsoData& data) {
    Timespec time{};
    if (read_clock(data, monotonic, &time) != 0) return floor_of(data);
    return std::uint64_t(time.seconds) * std::uint64_t(second) + std::uint64_t(time.nanoseconds);
}

/// The program's number of the CPU this thread is on, and of its node; either may be null.
inline int read_cpu(const VdsoData& data, unsigned* cpu, unsigned* node) {
    if (__atomic_load_n(&data.adjusted, __ATOMIC_ACQUIRE) == 0 && data.known_cpus == 0)
        return data.getcpu != nullptr ? data.getcpu(cpu, node, nullptr)
                                      : int(system_call(309, long(cpu), long(node)));
    unsigned local = 0;
    const int error = data.getcpu != nullptr ? data.getcpu(&local, nullptr, nullptr)
                                             : int(system_call(309, long(&local), 0));
    if (error != 0) return error;
    const bool known = local < data.known_cpus && local < VdsoData::max_cpus;
    if (cpu != nullptr) *cpu = known ? data.cpu[local] : data.first_cpu + local;
    if (node != nullptr) *node = data.node;
    return 0;
}

/// What the clocks of a process are before anything is known of other kernels: CPU time is not
/// local, coarse clocks are read from fine ones, no offset. Call before `adjusted` is set.
inline void set_clocks(VdsoData& data) {
    // REALTIME MONOTONIC PROCESS_CPU THREAD_CPU RAW RT_COARSE MONO_COARSE BOOT RT_ALARM BOOT_ALARM
    // - TAI
    constexpr std::uint8_t sources[clocks] = {0, 1, 2, 3, 4, 0, 1, 7, 8, 9, 10, 11};
    constexpr std::uint8_t local[clocks] = {1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1};
    for (unsigned number = 0; number < clocks; ++number) {
        Clock& clock = data.clock[number];
        clock.offset = 0;
        clock.beyond_monotonic = number == 1 || number == 6 ? 0 : Clock::no_floor;
        clock.source = sources[number];
        clock.local = local[number];
    }
}

}  // namespace holon::ssi::vdso
