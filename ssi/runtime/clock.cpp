// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/clock.h"

#include "ssi/control/cpu_mask.h"
#include "ssi/runtime/body_calls.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/link.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/program_vdso.h"
#include "ssi/vdso/clock.h"
#include "ssi/vdso/find.h"

namespace holon::ssi {
namespace {

vdso::VdsoData& data() { return *reinterpret_cast<vdso::VdsoData*>(vdso::data_address); }

/// The kernel's image.
std::uint64_t kernel_begin, kernel_end;

/// ELF64: the end of what it loads.
std::uint64_t size_of(const void* image) {
    const auto* bytes = static_cast<const std::uint8_t*>(image);
    std::uint64_t table, size = 0;
    std::uint16_t count;
    memcpy(&table, bytes + 32, sizeof table);
    memcpy(&count, bytes + 56, sizeof count);
    for (unsigned i = 0; i < count; ++i) {
        std::uint32_t type;
        std::uint64_t address, length;
        const auto* header = bytes + table + i * 56UL;
        memcpy(&type, header, sizeof type);
        memcpy(&address, header + 16, sizeof address);
        memcpy(&length, header + 40, sizeof length);
        if (type == 1 && address + length > size) size = address + length;  // PT_LOAD
    }
    return size;
}

/// In a body process: the home has said what time it is.
Sequence time_known;

template <typename Function>
void find(const void* image, const char* name, Function& function) {
    void* found = nullptr;
    if (vdso::find_vdso_function(image, name, &found)) function = reinterpret_cast<Function>(found);
}

}  // namespace

void use_kernel_vdso(const void* image) {
    if (!image) return;
    kernel_begin = reinterpret_cast<std::uint64_t>(image);
    kernel_end = kernel_begin + size_of(image);
    find(image, "__vdso_clock_gettime", data().clock_gettime);
    find(image, "__vdso_gettimeofday", data().gettimeofday);
    find(image, "__vdso_clock_getres", data().clock_getres);
    find(image, "__vdso_getcpu", data().getcpu);
}

bool in_kernel_vdso(std::uint64_t address) {
    return address >= kernel_begin && address < kernel_end;
}

void give_vdso(std::uint64_t* stack) {
    constexpr std::uint64_t at_sysinfo_ehdr = 33;
    std::uint64_t* at = stack + 1 + *stack + 1;  // argc, argv, its end
    while (*at != 0) ++at;                       // envp
    for (++at; at[0] != 0; at += 2)
        if (at[0] == at_sysinfo_ehdr) {
            use_kernel_vdso(reinterpret_cast<const void*>(at[1]));
            at[1] = layout::vdso;
        }
}

void number_program_cpus(const std::uint16_t* numbers, std::uint32_t count) {
    static_assert(vdso::VdsoData::max_cpus >= KernelCpus::capacity);
    memcpy(data().cpu, numbers, count * sizeof *numbers);
    __atomic_store_n(&data().known_cpus, count, __ATOMIC_RELEASE);
}

void adjust_clocks() {
    vdso::set_clocks(data());
    __atomic_store_n(&data().adjusted, 1, __ATOMIC_RELEASE);
}

void number_node(std::uint32_t node, std::uint32_t first_cpu) {
    data().node = node;
    data().first_cpu = first_cpu;
}

std::uint64_t clock_now() {
    // A node that has not been told the time yet has seen only what came with messages.
    if (!process.home && data().adjusted == 0) return vdso::floor_of(data());
    return vdso::monotonic_now(data());
}

void clock_seen(std::uint64_t stamp) { vdso::raise_floor(data(), stamp); }

void ask_time(Link& link) { link.send({0, wire::Type::ask_time, 0, agent_clock(), 0, 0}, nullptr); }

bool answer_time(Link& link, const wire::Frame& frame) {
    if (frame.type != wire::Type::ask_time) return false;
    const vdso::Beyond beyond = vdso::relate_clocks(data());
    // Not the frame's own clock: that may be raised by what other nodes sent.
    link.send({sizeof beyond, wire::Type::time, 0, frame.a, agent_clock(), 0}, &beyond);
    return true;
}

bool take_time(const wire::Frame& frame, const void* payload) {
    if (frame.type != wire::Type::time) return false;
    vdso::Beyond beyond;
    const std::uint64_t now = agent_clock();
    if (frame.length != sizeof beyond || frame.a > now) die("the home sent a broken time");
    memcpy(&beyond, payload, sizeof beyond);
    // The home's clock showed b after this one had shown a, and before it shows `now`.
    vdso::follow_home(data(), static_cast<std::int64_t>(frame.b - now),
                      static_cast<std::int64_t>(frame.b - frame.a), beyond);
    if (data().adjusted == 0) {
        __atomic_store_n(&data().adjusted, 1, __ATOMIC_RELEASE);
        time_known.advance();
    }
    return true;
}

void wait_for_time() { time_known.wait_for(1); }

void forget_clock_change() { data().sequence = 0; }

std::uint64_t agent_clock() {
    vdso::Timespec time{};
    vdso::read_local(data(), vdso::monotonic, &time);
    return static_cast<std::uint64_t>(time.seconds) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.nanoseconds);
}

bool local_call(const Call& call, long& result) {
    const auto out = static_cast<std::uint64_t>(call.args[1]);
    switch (call.number) {
        case __NR_clock_gettime: {
            if (call.args[0] < 0 || call.args[0] >= static_cast<long>(vdso::clocks) ||
                data().clock[call.args[0]].local == 0)
                return false;
            vdso::Timespec time{};
            result = vdso::read_clock(data(), static_cast<int>(call.args[0]), &time);
            if (result == 0) result = copy_out(out, &time, sizeof time);
            return true;
        }
        case __NR_gettimeofday: {
            if (call.args[0] == 0 || call.args[1] != 0) return false;
            vdso::Timespec now{};
            result = vdso::read_clock(data(), vdso::realtime, &now);
            const vdso::Timeval time{now.seconds, now.nanoseconds / 1000};
            if (result == 0)
                result = copy_out(static_cast<std::uint64_t>(call.args[0]), &time, sizeof time);
            return true;
        }
        case __NR_time: {
            vdso::Timespec now{};
            result = vdso::read_clock(data(), vdso::realtime, &now);
            if (result == 0) result = now.seconds;
            if (result >= 0 && call.args[0] != 0 &&
                copy_out(static_cast<std::uint64_t>(call.args[0]), &now.seconds,
                         sizeof now.seconds) != 0)
                result = -sys::e_fault;
            return true;
        }
        case __NR_getcpu: {
            unsigned cpu = 0, node = 0;
            result = vdso::read_cpu(data(), &cpu, &node);
            if (result == 0 && call.args[0] != 0)
                result = copy_out(static_cast<std::uint64_t>(call.args[0]), &cpu, sizeof cpu);
            if (result == 0 && out != 0) result = copy_out(out, &node, sizeof node);
            return true;
        }
        default:
            return false;
    }
}

}  // namespace holon::ssi
