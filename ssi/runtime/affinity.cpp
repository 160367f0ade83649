// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/affinity.h"

#include "ssi/runtime/departure.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/placement.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/program_vdso.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/relocate.h"
#include "ssi/runtime/space.h"

namespace holon::ssi::affinity {
namespace {

constexpr long arch_get_fs = 0x1003;

constexpr long call_on = static_cast<long>(layout::range_begin);
/// The daemon is only to remember the mask: the thread is where it should be.
constexpr long remember = call_on + 1;

/// At home: the daemon's answer at the beginning, until the nodes are known.
CpuMask at_first;
std::size_t bytes_at_first;

/// Of a body's node.
KernelCpus local_kernel;
std::uint32_t local_count;

/// Bindings that came before their bodies.
struct Early {
    std::uint32_t number;
    KernelCpus cpus;
};
constexpr std::size_t early_bindings = 64;
Early early[early_bindings];
std::size_t early_count;

const Parameters& parameters() { return *reinterpret_cast<const Parameters*>(layout::parameters); }

/// A call that the daemon answers; the filters know it by its fifth argument (filter.cpp). It is
/// made from outside the runtime's range, where no signal may find a deputy.
long ask_daemon(long number, long tid, long size, long mask, long how) {
    const std::uint64_t all = ~0UL;
    std::uint64_t before;
    sys::call_with(__NR_rt_sigprocmask, 2, &all, &before, 8);
    const long args[6] = {tid, size, mask, 0, how, 0};
    const long result = ssi_notified(number, args);
    sys::call_with(__NR_rt_sigprocmask, 2, &before, 0, 8);
    return result;
}

/// What this process executes inherits it.
void tell_daemon(const CpuMask& mask) {
    ask_daemon(__NR_sched_setaffinity, 0, sizeof mask, reinterpret_cast<long>(&mask), remember);
}

bool nodes_known() { return process.nodes != 0; }

std::uint32_t count_of(std::uint32_t node) {
    return nodes_known() ? process.node_cpus[node] : node == 0 ? parameters().cpu_count : 0;
}

std::uint32_t first_of(std::uint32_t node) {
    std::uint32_t first = 0;
    for (std::uint32_t i = 0; i < node; ++i) first += count_of(i);
    return first;
}

long bind(std::int32_t tid, const KernelCpus& cpus) {
    return cpus.any() ? sys::call_with(__NR_sched_setaffinity, tid, sizeof cpus, &cpus) : 0;
}

KernelCpus part(const Thread* thread, std::uint32_t node) {
    return part_of(thread->allowed, first_of(node), count_of(node));
}

/// A thread of this process by its number; 0: the calling one. Its block stays in use as long as
/// the thread lives.
Thread* thread_of(Thread* caller, long tid) {
    if (tid == 0) return caller->number == ~0U ? nullptr : caller;
    return find_thread_by_tid(static_cast<std::int32_t>(tid));
}

long get(const Thread* target, const CallArgs& call) {
    std::uint32_t total = static_cast<std::uint32_t>(bytes_at_first) * 8;
    if (nodes_known()) total = first_of(process.nodes);
    const std::size_t bytes = affinity_bytes(total, static_cast<std::uint32_t>(call.a[1]));
    if (bytes == 0) return -sys::e_inval;
    CpuMask mask;
    {
        Holding held(process.thread_lock);
        mask = target->allowed;
    }
    return copy_out(static_cast<std::uint64_t>(call.a[2]), &mask, bytes) == 0
               ? static_cast<long>(bytes)
               : -sys::e_fault;
}

/// The node of the mask with the fewest threads, with a body process on it; 0: none.
std::uint32_t way_out(const CpuMask& mask) {
    if (!may_leave() || !space::arm()) return 0;
    const std::uint32_t node = emptiest(mask);
    return node != 0 && space::start_body(node) ? node : 0;
}

/// The calling thread, at home, is one of that node's from now on: it can be asked to come home.
/// False: it must stay.
bool reserve(Thread* thread, std::uint32_t node, const CpuMask& mask) {
    thread->leaving = 0;
    thread->recalled = 0;
    thread->pending_signals = 0;
    thread->temporary_mask = false;
    Holding held(process.thread_lock);
    if (node == 0 || process.pinned) return false;
    --process.threads_on[0];
    ++process.threads_on[node];
    thread->number = process.next_number++;
    thread->allowed = mask;
    thread->node = node;
    return true;
}

[[noreturn]] void begin_deputy(Thread* thread) { deputy_main(thread); }

/// The calling thread goes on as the deputy of its body, which begins with `thread->state`. All
/// signals are blocked.
[[noreturn]] void depart(Thread* thread) {
    thread->cpu = first_cpu_on(thread, thread->node);
    if (thread->later != 0) sys::call_with(__NR_timer_delete, thread->later_timer);
    thread->later = 0;
    bind_at_home(thread);
    // The program's alternate stack is the body's.
    const sys::StackT none{0, sys::ss_disable, 0, 0};
    sys::call_with(__NR_sigaltstack, &none, 0);
    // From the top of the stack: a thread may leave any number of times without returning.
    __asm__ volatile(
        "mov %0, %%rsp\n\t"
        "and $-64, %%rsp\n\t"
        "xor %%ebp, %%ebp\n\t"
        "call *%1\n\t"
        "ud2"
        :
        : "r"(thread->stack_top), "r"(&begin_deputy), "D"(thread)
        : "memory");
    __builtin_unreachable();
}

void capture_here(Thread* thread, const sys::UContext& context) {
    capture(thread->state, context);
    sys::call_with(__NR_arch_prctl, arch_get_fs, &thread->state.fs_base);
}

long set(Thread* thread, Thread* target, const CallArgs& call, sys::UContext* context) {
    CpuMask mask{};
    std::size_t bytes = static_cast<std::uint32_t>(call.a[1]);
    if (bytes > sizeof mask) bytes = sizeof mask;
    if (bytes != 0 && copy_in(&mask, static_cast<std::uint64_t>(call.a[2]), bytes) != 0)
        return -sys::e_fault;
    mask.keep(existing());
    if (!mask.any()) return -sys::e_inval;
    const std::uint32_t at = target->node;
    const bool stays = mask.count_in(first_of(at), count_of(at)) != 0;
    const bool home = mask.count_in(0, count_of(0)) != 0;
    const std::uint32_t node = stays || home ? 0 : way_out(mask);
    if (!stays && !home && node == 0) return -sys::e_inval;
    const bool leaves = at == 0 && !stays && target == thread;
    if (leaves) {
        if (!reserve(thread, node, mask)) return -sys::e_inval;
    } else {
        Holding held(process.thread_lock);
        // Pinned meanwhile: it is on its way home for good.
        if (!home && process.pinned) return -sys::e_inval;
        target->allowed = mask;
    }
    if (target->tid == process.pid) tell_daemon(mask);
    if (leaves) {
        context->rax = 0;
        capture_here(thread, *context);
        depart(thread);
    }
    if (stays) {
        if (at == 0)
            bind_at_home(target);
        else
            space::send_binding(at, target->number, part(target, at));
        return 0;
    }
    if (at != 0) {
        // It comes home, and leaves again if it must not be there. A deputy that calls for itself
        // has its body go when that has the answer.
        if (target == thread) {
            __atomic_store_n(&target->recalled, 1U, __ATOMIC_RELEASE);
            space::send_recall(at, target->number);
        } else {
            recall_one(target);
        }
        return 0;
    }
    departure::ask(target);
    return 0;
}

/// CPU numbers in the program's vDSO.
void number_cpus(const KernelCpus& kernel, std::uint32_t first, std::uint32_t count) {
    if (count == 0) return;
    std::uint16_t numbers[KernelCpus::capacity];
    std::uint32_t place = 0;
    for (std::uint32_t cpu = 0; cpu < KernelCpus::capacity; ++cpu)
        numbers[cpu] =
            static_cast<std::uint16_t>(first + (kernel.has(cpu) ? place++ % count : cpu % count));
    number_program_cpus(numbers, KernelCpus::capacity);
}

}  // namespace

CpuMask existing() {
    if (!nodes_known()) return at_first;
    CpuMask all{};
    for (std::uint32_t node = 0; node < process.nodes; ++node)
        if ((process.nodes_up >> node & 1) != 0) all.add(first_of(node), process.node_cpus[node]);
    return all;
}

void begin(Thread* thread) {
    const long bytes = ask_daemon(__NR_sched_getaffinity, 0, sizeof at_first,
                                  reinterpret_cast<long>(&at_first), call_on);
    if (sys::failed(bytes)) {
        at_first.add(0, parameters().cpu_count);
        bytes_at_first = sizeof at_first;
    } else {
        bytes_at_first = static_cast<std::size_t>(bytes);
    }
    thread->allowed = at_first;
    thread->bound = part(thread, 0).count() != count_of(0) ? 1 : 0;
}

long call_of_daemon(const CallArgs& call) {
    return ask_daemon(call.number, call.a[0], call.a[1], call.a[2], call_on);
}

long call(Thread* thread, const CallArgs& call, sys::UContext* context) {
    Thread* target = thread_of(thread, call.a[0]);
    if (target == nullptr) return call_of_daemon(call);
    return call.number == __NR_sched_getaffinity ? get(target, call)
                                                 : set(thread, target, call, context);
}

std::uint32_t cpus_on(const Thread* thread, std::uint32_t node) {
    return thread->allowed.count_in(first_of(node), count_of(node));
}

std::uint32_t first_cpu_on(const Thread* thread, std::uint32_t node) {
    const std::uint32_t first = first_of(node);
    for (std::uint32_t i = 0; i < count_of(node); ++i)
        if (thread->allowed.has(first + i)) return first + i;
    return first;
}

void give_up_binding(Thread* thread) {
    if (cpus_on(thread, thread->node) != 0) return;
    const CpuMask all = existing();
    Holding held(process.thread_lock);
    thread->allowed = all;
}

void bind_at_home(Thread* thread) {
    const KernelCpus mine = thread->node == 0 ? part(thread, 0) : KernelCpus{};
    const bool all = !mine.any() || mine.count() == count_of(0);
    if (all && thread->bound == 0) return;
    bind(thread->tid, on_kernel(mine, count_of(0), parameters().cpus));
    thread->bound = all ? 0 : 1;
}

void unbind_agent() { bind(0, parameters().cpus); }

void describe(Thread* thread) { thread->state.cpus = part(thread, thread->node); }

void leave_again(Thread* thread) {
    if (cpus_on(thread, 0) == 0) {
        const CpuMask mask = thread->allowed;
        if (reserve(thread, way_out(mask), mask)) depart(thread);
        give_up_binding(thread);
    }
    bind_at_home(thread);
}

void go_to(Thread* thread, std::uint32_t node, const sys::UContext* context) {
    if (node == 0 || thread->node != 0 || !may_leave() || !space::arm() || !space::start_body(node))
        return;
    if (!reserve(thread, node, thread->allowed)) return;
    if (context != nullptr) capture_here(thread, *context);
    depart(thread);
}

void leave_if_asked(Thread* thread, sys::UContext* context) {
    if (thread->node != 0 || __atomic_exchange_n(&thread->leaving, 0U, __ATOMIC_ACQ_REL) == 0)
        return;
    relocate::leave_if_asked(thread, *context);
    const CpuMask mask = thread->allowed;
    if (cpus_on(thread, 0) != 0) return;
    if (reserve(thread, way_out(mask), mask)) {
        capture_here(thread, *context);
        depart(thread);
    }
    give_up_binding(thread);
}

void leave_later(Thread* thread) {
    if (thread->node == 0 && __atomic_load_n(&thread->leaving, __ATOMIC_ACQUIRE) != 0)
        kick_later(thread);
}

void after_fork(Thread* thread, bool first) {
    thread->later = 0;  // a child has none of its parent's timers
    const bool homeless = cpus_on(thread, 0) == 0;
    give_up_binding(thread);
    bind_at_home(thread);
    if (homeless || !first) tell_daemon(thread->allowed);
}

void set_local_cpus(std::uint32_t first, std::uint32_t count) {
    local_count = count;
    sys::call_with(__NR_sched_getaffinity, 0, sizeof local_kernel, &local_kernel);
    number_cpus(local_kernel, first, count);
}

void number_home_cpus() { number_cpus(parameters().cpus, 0, parameters().cpu_count); }

void bind_body(Thread* thread) {
    const bool rebound = __atomic_load_n(&thread->rebound, __ATOMIC_ACQUIRE) != 0;
    const KernelCpus& cpus = rebound ? thread->binding : thread->state.cpus;
    if (cpus.count() != local_count) bind(0, on_kernel(cpus, local_count, local_kernel));
}

void rebind_body(std::uint32_t number, const KernelCpus& cpus) {
    Thread* thread = find_thread(number);
    if (thread == nullptr) {
        early[early_count++ % early_bindings] = {number, cpus};
        return;
    }
    thread->binding = cpus;
    __atomic_store_n(&thread->rebound, 1U, __ATOMIC_RELEASE);
    if (thread->local_tid != 0) bind(thread->local_tid, on_kernel(cpus, local_count, local_kernel));
}

void recall_binding(Thread* thread) {
    for (const Early& each : early) {
        if (each.number != thread->number) continue;
        thread->binding = each.cpus;
        thread->rebound = 1;
    }
}

}  // namespace holon::ssi::affinity
