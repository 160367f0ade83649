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

/// ns of this kernel's clock. False: there is no such clock.
inline bool local_nanoseconds(const VdsoData& data, int clock, std::int64_t& now) {
    Timespec time;
    if (read_local(data, clock, &time) != 0) return false;
    now = time.seconds * second + time.nanoseconds;
    return true;
}

/// Until nobody changes offset and clocks; what is passed to `unchanged` afterwards.
inline std::uint32_t begin_reading(const VdsoData& data) {
    for (unsigned spins = 0;; ++spins) {
        const std::uint32_t sequence = __atomic_load_n(&data.sequence, __ATOMIC_ACQUIRE);
        if ((sequence & 1) == 0) return sequence;
        // Whoever changes them may need this CPU to go on.
        if (spins > 100) system_call(24, 0, 0);  // sched_yield
        __builtin_ia32_pause();
    }
}
inline bool unchanged(const VdsoData& data, std::uint32_t sequence) {
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&data.sequence, __ATOMIC_RELAXED) == sequence;
}

/// A clock of this kernel that was set: it no longer shows what it was known to show beyond the
/// monotonic one.
inline constexpr std::int64_t set_by = 1'000'000;

/// ns of the program's clock `number`, which is a local one. False: there is no such clock here.
inline bool make_clock(const VdsoData& data, unsigned number, std::int64_t& now) {
    const Clock& clock = data.clock[number];
    for (;;) {
        const std::uint32_t sequence = begin_reading(data);
        const std::int64_t beyond = __atomic_load_n(&clock.beyond_monotonic, __ATOMIC_RELAXED);
        if (beyond == Clock::unrelated) return local_nanoseconds(data, clock.source, now);
        // Before the clock: a floor that is raised while it is read is one this reader need not
        // know. A floor of 0 is none: before the first frame nothing is known.
        const auto floor = static_cast<std::int64_t>(floor_of(data));
        const std::int64_t offset = __atomic_load_n(&data.offset, __ATOMIC_RELAXED);
        std::int64_t local = 0, own = 0;
        if (!local_nanoseconds(data, monotonic, local)) return false;
        const bool of_this_kernel = clock.source != monotonic;
        if (of_this_kernel && !local_nanoseconds(data, clock.source, own)) return false;
        if (!unchanged(data, sequence)) continue;
        const std::int64_t here = local + offset;
        const std::int64_t least = floor != 0 ? floor : here;
        const std::int64_t error = of_this_kernel ? own - (here + beyond) : 0;
        if (of_this_kernel && (least <= here || error > set_by || error < -set_by))
            now = own;
        else
            now = (least > here ? least : here) + beyond;
        return true;
    }
}

/// The program's clock, for the clock numbers the kernel has. 0 or -errno.
inline int read_clock(const VdsoData& data, int number, Timespec* time) {
    if (__atomic_load_n(&data.adjusted, __ATOMIC_ACQUIRE) == 0)
        return read_local(data, number, time);
    std::int64_t now;
    if (unsigned(number) >= clocks || data.clock[number].local == 0)
        return data.forward != nullptr ? data.forward(number, time)
                                       : read_local(data, number, time);
    if (!make_clock(data, unsigned(number), now)) return read_local(data, number, time);
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

/// Around every change of offset and clocks. One thread at a time makes them.
struct Change {
    explicit Change(VdsoData& changed) : data(changed) {
        __atomic_store_n(&data.sequence, data.sequence + 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    ~Change() { __atomic_store_n(&data.sequence, data.sequence + 1, __ATOMIC_RELEASE); }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    VdsoData& data;
};

/// What one of this kernel's clocks shows beyond the monotonic one: never more, and less by what
/// reading a clock takes.
inline std::int64_t measure_beyond(const VdsoData& data, int clock) {
    std::int64_t best = INT64_MIN;
    for (int i = 0; i < 5; ++i) {
        std::int64_t shown, after;
        if (!local_nanoseconds(data, clock, shown) || !local_nanoseconds(data, monotonic, after))
            return Clock::unrelated;
        if (shown - after > best) best = shown - after;
    }
    return best;
}

/// At home: what the clocks show beyond the monotonic one is measured again. It is kept unless a
/// clock was set: readings must not jitter with the measurement.
inline Beyond relate_clocks(VdsoData& data) {
    constexpr std::int64_t jitter = 10'000;
    constexpr int related[] = {0, 5, 7, 11};
    for (const int number : related) {
        Clock& clock = data.clock[number];
        const std::int64_t seen = measure_beyond(data, number == 5 ? 0 : number);
        const std::int64_t known = clock.beyond_monotonic;
        const bool first = known == Clock::unrelated || seen == Clock::unrelated;
        if (!first && seen - known < jitter && known - seen < jitter) continue;
        const Change change(data);
        __atomic_store_n(&clock.beyond_monotonic, seen, __ATOMIC_RELAXED);
    }
    return {data.clock[0].beyond_monotonic, data.clock[7].beyond_monotonic,
            data.clock[11].beyond_monotonic};
}

/// The clocks at home: CPU time is not local, coarse clocks are read from fine ones. Call before
/// `adjusted` is set.
inline void set_clocks(VdsoData& data) {
    // REALTIME MONOTONIC PROCESS_CPU THREAD_CPU RAW RT_COARSE MONO_COARSE BOOT RT_ALARM BOOT_ALARM
    // - TAI
    constexpr std::uint8_t sources[clocks] = {0, 1, 2, 3, 4, 0, 1, 7, 8, 9, 10, 11};
    constexpr std::uint8_t local[clocks] = {1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1};
    data.offset = 0;
    for (unsigned number = 0; number < clocks; ++number) {
        Clock& clock = data.clock[number];
        clock.beyond_monotonic = number == 1 || number == 6 ? 0 : Clock::unrelated;
        clock.source = sources[number];
        clock.local = local[number];
    }
    relate_clocks(data);
}

/// Elsewhere: the home's clocks are `beyond` its monotonic one, which is this kernel's plus `low`
/// to `high` ns. The nearest offset is taken: it is first the least, so that this node is never
/// ahead, and changes only when it is found wrong, because the kernels' clocks run differently.
/// Nobody's time goes back by it.
inline void follow_home(VdsoData& data, std::int64_t low, std::int64_t high, const Beyond& beyond) {
    const bool first = __atomic_load_n(&data.adjusted, __ATOMIC_RELAXED) == 0;
    if (first) {
        set_clocks(data);
        data.offset = low;
    }
    const Change change(data);
    if (!first) {
        // All that were read until now are below this: readers that go on will read again.
        std::int64_t local = 0;
        local_nanoseconds(data, monotonic, local);
        raise_floor(data, std::uint64_t(local + data.offset));
    }
    std::int64_t offset = data.offset;
    if (offset < low) offset = low;
    if (offset > high) offset = high;
    __atomic_store_n(&data.offset, offset, __ATOMIC_RELAXED);
    const std::int64_t of[clocks] = {beyond.realtime, 0, 0, 0, 0,         beyond.realtime, 0,
                                     beyond.boottime, 0, 0, 0, beyond.tai};
    for (unsigned number = 0; number < clocks; ++number) {
        Clock& clock = data.clock[number];
        if (clock.local == 0) continue;
        clock.source = monotonic;
        if (number == 4 || of[number] == Clock::unrelated)
            __atomic_store_n(&clock.local, 0, __ATOMIC_RELAXED);
        else
            __atomic_store_n(&clock.beyond_monotonic, of[number], __ATOMIC_RELAXED);
    }
}

}  // namespace holon::ssi::vdso
