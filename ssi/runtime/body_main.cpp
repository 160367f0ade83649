// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a body process begins, and how its address space follows the home's.
#include <initializer_list>

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/agent.h"
#include "ssi/runtime/arena.h"
#include "ssi/runtime/body_calls.h"
#include "ssi/runtime/body_space.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/file_identity.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/maps.h"
#include "ssi/runtime/memory.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/program_vdso.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/signals.h"
#include "ssi/runtime/space.h"

namespace holon::ssi {
namespace {

constexpr long mremap_maymove = 1, mremap_fixed = 2;
Maps maps;

/// The kernel put a stack and its vDSO where the program may have anything: the vDSO (with the data
/// pages before it) moves into the runtime's range, the rest goes.
void clear_address_space() {
    if (!maps.read()) die("/proc/self/maps cannot be read");
    std::uint64_t low = ~0UL, high = 0;
    Mapping mapping;
    std::uint64_t image = 0;
    while (maps.next(mapping)) {
        if (mapping.path[0] != '[' || mapping.path[1] != 'v' || mapping.path[2] == 's') continue;
        if (mapping.begin < low) low = mapping.begin;
        if (mapping.end > high) high = mapping.end;
        if (memcmp(mapping.path, "[vdso]", 6) == 0) image = mapping.begin;
    }
    std::uint64_t moved = 0;
    if (low < high) {
        auto* place = arena::allocate(high - low);
        moved = reinterpret_cast<std::uint64_t>(place);
    }
    maps.read();
    while (maps.next(mapping)) {
        if (mapping.begin >= layout::range_begin && mapping.begin < layout::range_end) continue;
        if (mapping.path[0] == '[' && mapping.path[1] == 'v') {
            if (mapping.path[2] == 's') continue;  // [vsyscall] is at a fixed address everywhere
            const std::uint64_t size = mapping.end - mapping.begin;
            const long got =
                sys::call_with(__NR_mremap, mapping.begin, size, size,
                               mremap_maymove | mremap_fixed, moved + (mapping.begin - low));
            if (!sys::failed(got)) continue;
            image = 0;  // clocks will be system calls
        }
        sys::call_with(__NR_munmap, mapping.begin, mapping.end - mapping.begin);
    }
    if (image != 0) use_kernel_vdso(reinterpret_cast<const void*>(moved + (image - low)));
}

/// What the program has at home only (space_shared.cpp). Under the space lock.
Ranges home_only;

void catch_traps() {
    // Not the faults of the runtime's own copies to the program's memory (ssi_copy).
    constexpr std::uint64_t blocked = ~(1UL << (sys::sig_segv - 1) | 1UL << (sys::sig_bus - 1));
    const sys::SigAction action{
        reinterpret_cast<std::uint64_t>(&ssi_body_trap),
        sys::sa_siginfo | sys::sa_onstack | sys::sa_restorer | sys::sa_restart,
        reinterpret_cast<std::uint64_t>(&ssi_restorer), blocked};
    for (const int signo : {sys::sig_sys, sys::sig_segv, sys::sig_bus, 8, 4, 5})
        sys::call_with(__NR_rt_sigaction, signo, &action, 0, 8);
}

[[noreturn]] void run(void* argument) {
    auto* thread = static_cast<Thread*>(argument);
    // New bodies inherit this: nothing interrupts one before it is where the program was.
    const std::uint64_t all = ~0UL;
    sys::call_with(__NR_rt_sigprocmask, 2, &all, 0, 8);
    adopt(thread);
    // Its command line goes with the kernel's stack.
    sys::call_with(__NR_prctl, 15, "ssi-body");  // PR_SET_NAME
    clear_address_space();
    map_notified_page();
    catch_traps();
    if (!home_only.open()) die("no memory");
    process.control = hide_descriptor(body_control_fd);
    if (const long error = memory::open(body_userfaultfd_fd); error != 0)
        die("userfaultfd is refused", error);
    if (!memory::link(0).open(hide_descriptor(body_link_fd))) die("no memory");
    number_node(process.node, 0);
    cpu_time::serve_vdso();
    agent::run_body();
}

long map_anonymous(const wire::Frame& frame, int prot) {
    const long got = sys::call_with(
        __NR_mmap, frame.a, frame.b, prot,
        sys::map_private | sys::map_anonymous | sys::map_fixed | sys::map_noreserve, -1, 0);
    return sys::failed(got) ? got : memory::watch(frame.a, frame.a + frame.b);
}

long map_file(const wire::Frame& frame, const space::MapRequest& request, const char* path) {
    FileIdentity identity;
    if (!identify(path, identity)) return -2;  // ENOENT
    if (identity.size != request.size || identity.modified != request.modified)
        return -116;  // ESTALE
    const long file = sys::call_with(__NR_openat, -100, path, sys::o_rdonly | sys::o_cloexec, 0);
    if (sys::failed(file)) return file;
    const long got = sys::call_with(__NR_mmap, frame.a, frame.b, request.prot,
                                    sys::map_private | sys::map_fixed, file, request.offset);
    sys::call(__NR_close, file);
    return sys::failed(got) ? got : 0;
}

bool sane(const wire::Frame& frame) {
    constexpr std::uint64_t user_end = 0x7fff'ffff'f000;
    const bool aligned = ((frame.a | frame.b) & 4095) == 0;
    return aligned && frame.a < user_end && frame.b != 0 && frame.b <= user_end - frame.a &&
           (frame.a >= layout::range_end || frame.a + frame.b <= layout::range_begin);
}

void answer(const wire::Frame& asked, long error) {
    const wire::Frame frame{0, wire::Type::done, 0, asked.a, static_cast<std::uint64_t>(-error), 0};
    memory::link(0).send(frame, nullptr);
}

}  // namespace

bool body_space::only_at_home(std::uint64_t begin, std::uint64_t size) {
    if (home_only.empty()) return false;  // a word: what is added is told before it can be known
    Holding holding(memory::lock());
    return home_only.touches(begin, begin + size);
}

bool body_space::any_only_at_home() { return !home_only.empty(); }

void body_space::apply(const wire::Frame& frame, const std::byte* payload) {
    if (frame.type == wire::Type::signal) {
        PendingSignal signal;
        if (frame.length != sizeof signal) die("the home sent a broken signal");
        memcpy(&signal, payload, sizeof signal);
        receive_signal(static_cast<std::uint32_t>(frame.a), signal);
        return;
    }
    if (frame.type == wire::Type::recall_thread) {
        send_home(static_cast<std::uint32_t>(frame.a));
        return;
    }
    if (frame.type == wire::Type::cpus) {
        if (frame.b > CpuMask::capacity || frame.a > CpuMask::capacity)
            die("the home named impossible CPUs");
        affinity::set_local_cpus(static_cast<std::uint32_t>(frame.a),
                                 static_cast<std::uint32_t>(frame.b));
        return;
    }
    if (frame.type == wire::Type::ask_cpu_time) {
        cpu_time::answer(frame);
        return;
    }
    if (frame.type == wire::Type::observe) {
        observe::set(frame.a != 0);
        return;
    }
    if (frame.type == wire::Type::bind_thread) {
        KernelCpus cpus;
        if (frame.length != sizeof cpus) die("the home sent a broken set of CPUs");
        memcpy(&cpus, payload, sizeof cpus);
        affinity::rebind_body(static_cast<std::uint32_t>(frame.a), cpus);
        return;
    }
    if (!sane(frame)) die("the home named an impossible range");
    const dsm::Page first = dsm::page_of(frame.a), last = dsm::page_of(frame.a + frame.b) - 1;
    switch (frame.type) {
        case wire::Type::map: {
            space::MapRequest request;
            if (frame.length < sizeof request) die("the home sent a broken mapping");
            memcpy(&request, payload, sizeof request);
            if (request.file == space::MapRequest::only_at_home) {
                sys::call_with(__NR_munmap, frame.a, frame.b);
                if (!home_only.add(frame.a, frame.a + frame.b)) die("no memory");
                return;
            }
            if (request.file == space::MapRequest::under_engine) {
                if (const long error = map_anonymous(frame, static_cast<int>(request.prot));
                    error != 0)
                    die("memory cannot be mapped here as at home", error);
                return;
            }
            const auto* path = reinterpret_cast<const char*>(payload) + sizeof request;
            if (frame.length == sizeof request || path[frame.length - sizeof request - 1] != '\0')
                die("the home sent a broken mapping");
            answer(frame, map_file(frame, request, path));
            return;
        }
        case wire::Type::unmap:
            memory::remote().discard(first, last);
            sys::call_with(__NR_munmap, frame.a, frame.b);
            memory::ranges().remove(frame.a, frame.a + frame.b);
            home_only.remove(frame.a, frame.a + frame.b);
            memory::wake(frame.a, frame.a + frame.b);
            answer(frame, 0);
            return;
        case wire::Type::discard:
            memory::remote().discard(first, last);
            sys::call_with(__NR_madvise, frame.a, frame.b, sys::madv_dontneed);
            memory::wake(frame.a, frame.a + frame.b);
            answer(frame, 0);
            return;
        case wire::Type::protect: {
            std::uint32_t prot;
            if (frame.length != sizeof prot) die("the home sent a broken protection");
            memcpy(&prot, payload, sizeof prot);
            answer(frame, sys::call_with(__NR_mprotect, frame.a, frame.b, prot));
            return;
        }
        default:
            die("the home sent what does not belong on this link", static_cast<long>(frame.type));
    }
}

void body_space::take_channel() {
    ControlMessage message{};
    int descriptor = -1;
    const long error = receive_control(process.control, message, descriptor);
    if (error != 0) {
        // The daemon has gone; no new thread will come, the others go on.
        sys::call(__NR_close, process.control);
        process.control = -1;
        return;
    }
    if (message.type != ControlType::channel || descriptor < 0) return;
    const long tid =
        start_body_thread(hide_descriptor(descriptor), static_cast<std::uint32_t>(message.value));
    if (sys::failed(tid)) die("a thread cannot be started here", tid);
}

}  // namespace holon::ssi

using namespace holon::ssi;

extern "C" [[noreturn]] void body_main(std::uint64_t* stack) {
    const auto argc = stack[0];
    const auto* number = argc > 1 ? reinterpret_cast<const char*>(stack[2]) : "";
    std::uint32_t node = 0;
    for (; *number >= '0' && *number <= '9'; ++number)
        node = node * 10 + static_cast<std::uint32_t>(*number - '0');
    process.control = -1;
    process.userfault = -1;
    process.node = node;
    process.nodes = 1;
    if (node == 0 || node >= max_nodes)
        die("this is started by ssid on another node than the home");
    // struct Parameters and the vDSO's data.
    sys::call_with(__NR_mmap, layout::parameters, layout::page_size,
                   sys::prot_read | sys::prot_write,
                   sys::map_private | sys::map_anonymous | sys::map_fixed, -1, 0);
    Thread* thread = new_thread();
    if (!thread) die("no memory");
    thread->number = ~0U;
    // Off the kernel's stack, which is in the way of the program's memory.
    __asm__ volatile(
        "mov %0, %%rsp\n\t"
        "xor %%ebp, %%ebp\n\t"
        "call *%1\n\t"
        "ud2"
        :
        : "r"(thread->stack_top), "r"(&run), "D"(thread)
        : "memory");
    __builtin_unreachable();
}
