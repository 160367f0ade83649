// SPDX-License-Identifier: GPL-2.0-or-later
//
// The vDSO that programs are given: what C libraries and language runtimes call for the time and
// the CPU number instead of making system calls. It is an ELF shared object of its own, one page or
// two, position-independent and without relocations, copied to layout::vdso and found by
// AT_SYSINFO_EHDR. Same names and version as the kernel's.
#include "ssi/vdso/clock.h"

using namespace holon::ssi::vdso;

namespace {

VdsoData& data() { return *reinterpret_cast<VdsoData*>(data_address); }

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int __vdso_clock_gettime(int clock, Timespec* time) {
    return read_clock(data(), clock, time);
}

__attribute__((visibility("default"))) int __vdso_gettimeofday(Timeval* time, void* zone) {
    const VdsoData& vdso = data();
    if (zone != nullptr || __atomic_load_n(&vdso.adjusted, __ATOMIC_ACQUIRE) == 0) {
        Timeval local;
        const int error = vdso.gettimeofday != nullptr
                              ? vdso.gettimeofday(&local, zone)
                              : int(system_call(96, long(&local), long(zone)));
        if (error != 0 || time == nullptr) return error;
        if (__atomic_load_n(&vdso.adjusted, __ATOMIC_ACQUIRE) == 0) {
            *time = local;
            return 0;
        }
    }
    if (time == nullptr) return 0;
    Timespec now;
    if (const int error = read_clock(vdso, realtime, &now); error != 0) return error;
    time->seconds = now.seconds;
    time->microseconds = std::int64_t(std::uint64_t(now.nanoseconds) / 1000);
    return 0;
}

__attribute__((visibility("default"))) std::int64_t __vdso_time(std::int64_t* time) {
    constexpr int realtime_coarse = 5;
    Timespec now;
    if (const int error = read_clock(data(), realtime_coarse, &now); error != 0) return error;
    if (time != nullptr) *time = now.seconds;
    return now.seconds;
}

__attribute__((visibility("default"))) int __vdso_getcpu(unsigned* cpu, unsigned* node, void*) {
    return read_cpu(data(), cpu, node);
}

__attribute__((visibility("default"))) int __vdso_clock_getres(int clock, Timespec* resolution) {
    const VdsoData& vdso = data();
    if (vdso.clock_getres != nullptr) {
        // Only this image stores to the program's memory: see body_faults.cpp.
        Timespec local;
        const int error = vdso.clock_getres(clock, resolution != nullptr ? &local : nullptr);
        if (error == 0 && resolution != nullptr) *resolution = local;
        return error;
    }
    return int(system_call(229, clock, long(resolution)));
}

__attribute__((visibility("default"), weak, alias("__vdso_clock_gettime"))) int clock_gettime(
    int clock, Timespec* time);
__attribute__((visibility("default"), weak, alias("__vdso_gettimeofday"))) int gettimeofday(
    Timeval* time, void* zone);
__attribute__((visibility("default"), weak, alias("__vdso_time"))) std::int64_t time(
    std::int64_t* time);
__attribute__((visibility("default"), weak, alias("__vdso_getcpu"))) int getcpu(unsigned* cpu,
                                                                                unsigned* node,
                                                                                void* unused);
__attribute__((visibility("default"), weak, alias("__vdso_clock_getres"))) int clock_getres(
    int clock, Timespec* resolution);
}
