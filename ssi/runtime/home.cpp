// SPDX-License-Identifier: GPL-2.0-or-later
//
// The home process: entry after exec, the trap of home threads, preparation.
#include "ssi/runtime/affinity.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/child_time.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/departure.h"
#include "ssi/runtime/filter.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/placement.h"
#include "ssi/runtime/program_vdso.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/signals.h"
#include "ssi/runtime/space.h"

namespace holon::ssi {
namespace {

constexpr std::uint64_t sigsys_bit = 1UL << (sys::sig_sys - 1);
static_assert(layout::range_begin >> 32 == 0x7e80 && layout::notified == 0x7e81'0000'0000,
              "entry.S and ssi/inject/loader.S have them as constants");
constexpr int si_queue = -1, rusage_children = -1;
bool notified_page_mapped;
constexpr long arch_get_fs = 0x1003;

void catch_sigsys() {
    const sys::SigAction action{
        reinterpret_cast<std::uint64_t>(&ssi_home_trap),
        sys::sa_siginfo | sys::sa_onstack | sys::sa_restorer | sys::sa_restart,
        reinterpret_cast<std::uint64_t>(&ssi_restorer), ~0UL};
    sys::call_with(__NR_rt_sigaction, sys::sig_sys, &action, 0, 8);
}

void thread_exit(Thread* thread, long status) {
    // A process of its own, that shares the memory: its end is the kernel's affair.
    if (thread->number == ~0U) sys::call(__NR_exit, status);
    finish_thread(thread->robust_list, thread->clear_tid, thread->tid);
    // The agent would keep the process alive that has lost its last thread.
    if (unplace_thread(thread)) {
        cpu_time::report();
        sys::call(__NR_exit_group, status);
    }
    leave_thread();
}

long signal_mask(const CallArgs& call, sys::UContext* context) {
    if (call.a[3] != 8) return -sys::e_inval;
    const std::uint64_t present = context->sigmask;
    std::uint64_t changed = present;
    if (call.a[1] != 0) {
        std::uint64_t set;
        long error = 0;
        if (copy_in(&set, static_cast<std::uint64_t>(call.a[1]), sizeof set) != 0)
            return -sys::e_fault;
        changed = changed_mask(call.a[0], present, set, error);
        if (error != 0) return error;
    }
    if (call.a[2] != 0 &&
        copy_out(static_cast<std::uint64_t>(call.a[2]), &present, sizeof present) != 0)
        return -sys::e_fault;
    context->sigmask = changed & ~sigsys_bit;
    return 0;
}

/// One trapped call of a home thread. Returns what goes into RAX.
long home_call(Thread* thread, const CallArgs& call, sys::UContext* context) {
    long result = 0;
    if (needs_home(call)) {
        recall_all(pin_reason(call));
        wait_for_all();
        disarm();
    }
    if (address_space_call(call, result) || cpu_time::call(thread, call, result)) return result;
    switch (call.number) {
        case __NR_rt_sigprocmask:
            return signal_mask(call, context);
        case __NR_rt_sigaction:
            return signal_action(call.a[0], static_cast<std::uint64_t>(call.a[1]),
                                 static_cast<std::uint64_t>(call.a[2]), call.a[3]);
        case __NR_rt_sigreturn: {
            auto* frame = reinterpret_cast<sys::UContext*>(context->rsp);
            frame->sigmask &= ~sigsys_bit;
            ssi_leave(frame);
        }
        case __NR_clone:
        case __NR_fork:
        case __NR_vfork: {
            ThreadState& state = thread->state;
            capture(state, *context);
            sys::call_with(__NR_arch_prctl, arch_get_fs, &state.fs_base);
            const bool is_thread = call.number == __NR_clone &&
                                   (call.a[0] & static_cast<long>(sys::clone_thread)) != 0;
            result = is_thread ? create_thread(thread, state, call)
                               : create_process(thread, state, call);
            if (call.number == __NR_vfork && !is_thread) {
                // The child ran on this stack and over this frame: go on from the copy.
                state.context.rax = static_cast<std::uint64_t>(result);
                resume(thread, state, state.context.stack);
            }
            return result;
        }
        case __NR_set_robust_list:
            if (call.a[1] != 24) return -sys::e_inval;
            thread->robust_list = static_cast<std::uint64_t>(call.a[0]);
            return 0;
        case __NR_set_tid_address:
            thread->clear_tid = static_cast<std::uint64_t>(call.a[0]);
            return thread->tid;
        case __NR_futex:
            return futex_call(thread, call);
        case __NR_close:
        case __NR_dup2:
        case __NR_dup3:
        case __NR_close_range:
            return descriptor_call(thread, call);
        case __NR_sched_getaffinity:
        case __NR_sched_setaffinity:
            return affinity::call(thread, call, context);
        case __NR_exit:
            thread_exit(thread, call.a[0]);
            return 0;
        case __NR_exit_group:
            // Not what a vfork child has: it shares the memory.
            if (thread->number != ~0U) cpu_time::report();
            return sys::call(__NR_exit_group, call.a[0]);
        default:
            return sys::call(call.number, call.a[0], call.a[1], call.a[2], call.a[3], call.a[4],
                             call.a[5]);
    }
}

/// A trapped call in a process that is not prepared: the program that one which was prepared has
/// executed, whose filter it inherited.
long plain_call(const CallArgs& call, sys::UContext* context) {
    switch (call.number) {
        case __NR_rt_sigreturn: {
            auto* frame = reinterpret_cast<sys::UContext*>(context->rsp);
            frame->sigmask &= ~sigsys_bit;
            ssi_leave(frame);
        }
        case __NR_rt_sigprocmask:
            return signal_mask(call, context);
        case __NR_rt_sigaction:
            return signal_action(call.a[0], static_cast<std::uint64_t>(call.a[1]),
                                 static_cast<std::uint64_t>(call.a[2]), call.a[3]);
        case __NR_clone:
        case __NR_fork:
        case __NR_vfork:
            // The child must not return through this frame: it needs a block and a stack of the
            // runtime's.
            return prepare_process(context) ? home_call(self(), call, context) : -sys::e_nomem;
        case __NR_sched_getaffinity:
        case __NR_sched_setaffinity:
            map_notified_page();
            return affinity::call_of_daemon(call);
        case __NR_getrusage:
            if (static_cast<std::int32_t>(call.a[0]) == rusage_children)
                return child_time::usage(call);
            return sys::call(call.number, call.a[0], call.a[1]);
        case __NR_times:
            return child_time::times(call, 0, 0);
        default:
            return sys::call(call.number, call.a[0], call.a[1], call.a[2], call.a[3], call.a[4],
                             call.a[5]);
    }
}

/// A kick (recall.cpp) has found this thread. A deputy gives up the call it waits in, which its
/// body will make again; anything else has nothing to give up.
void interrupted_deputy(sys::UContext* context) {
    const auto begin = reinterpret_cast<std::uint64_t>(ssi_interruptible_begin);
    const auto call = reinterpret_cast<std::uint64_t>(ssi_interruptible_syscall);
    constexpr std::uint64_t syscall_size = 2;
    const bool given_up = context->rip == call + syscall_size &&
                          context->rax == static_cast<std::uint64_t>(-sys::e_intr) &&
                          self()->signals_put == self()->signals_seen;
    if ((context->rip >= begin && context->rip <= call) || given_up)
        context->rip = reinterpret_cast<std::uint64_t>(ssi_interruptible_abort);
}

}  // namespace

void map_notified_page() {
    if (__atomic_exchange_n(&notified_page_mapped, true, __ATOMIC_ACQ_REL)) return;
    auto* page = reinterpret_cast<std::uint8_t*>(layout::notified);
    const long got =
        sys::call_with(__NR_mmap, page, layout::page_size, sys::prot_read | sys::prot_write,
                       sys::map_private | sys::map_anonymous | sys::map_fixed, -1, 0);
    if (sys::failed(got)) return;
    page[0] = 0x0f;
    page[1] = 0x05;
    page[2] = 0xc3;
    sys::call_with(__NR_mprotect, page, layout::page_size, sys::prot_read | sys::prot_exec);
}

bool prepare_process(sys::UContext* context) {
    process.home = true;
    process.pid = static_cast<std::int32_t>(sys::call(__NR_getpid));
    const auto* parameters = reinterpret_cast<const Parameters*>(layout::parameters);
    process.flags = parameters->flags;
    process.control = -1;
    process.userfault = -1;
    Thread* main = new_thread();
    if (main == nullptr) return false;
    map_notified_page();
    prepare_copies();
    space::prepare();
    adopt_handlers();

    std::uint64_t size;
    sys::call_with(__NR_get_robust_list, 0, &main->robust_list, &size);
    sys::call_with(__NR_set_robust_list, 0, 24);
    constexpr long pr_get_tid_address = 40;  // Linux 3.5, CONFIG_CHECKPOINT_RESTORE
    sys::call_with(__NR_prctl, pr_get_tid_address, &main->clear_tid);
    adopt(main);
    main->tid = main->local_tid;
    process.threads_on[0] = 1;
    process.live_threads = 1;
    process.next_number = 1;
    affinity::begin(main);
    context->sigmask &= ~sigsys_bit;
    if (!install_filter()) return false;
    ssi_prepared = 1;
    return true;
}

}  // namespace holon::ssi

using namespace holon::ssi;

extern "C" {
std::uint64_t injected_main(const Injection* injection, std::uint64_t* stack);
void home_trap(int signo, sys::SigInfo* info, sys::UContext* context);
}

std::uint64_t injected_main(const Injection* injection, std::uint64_t* stack) {
    const Injection mine = *injection;
    catch_sigsys();
    give_vdso(stack);
    affinity::number_home_cpus();
    sys::call_with(__NR_madvise, mine.loader_page, mine.loader_size, sys::madv_dontneed);
    return mine.entry;
}

void home_trap(int, sys::SigInfo* info, sys::UContext* context) {
    CallArgs call{static_cast<long>(context->rax),
                  {static_cast<long>(context->rdi), static_cast<long>(context->rsi),
                   static_cast<long>(context->rdx), static_cast<long>(context->r10),
                   static_cast<long>(context->r8), static_cast<long>(context->r9)}};
    if (info->code == si_queue && info->queued.value == handed_over_usage && ssi_prepared == 0) {
        context->rip += 2;
        context->rax = static_cast<std::uint64_t>(child_time::usage(call));
        return;
    }
    if (info->code == si_queue && info->queued.value == handed_over_wait && ssi_prepared == 0)
        return child_time::make_wait(context, call.number, context->rip + 2);
    if (info->code <= 0) {
        if (ssi_prepared != 0) {
            child_time::take_back_wait(context);
            if (layout::in_range(context->rip) || in_kernel_vdso(context->rip)) {
                affinity::leave_later(self());
            } else {
                departure::repeat_call(self(), context);
                affinity::leave_if_asked(self(), context);
            }
            interrupted_deputy(context);
            return;
        }
        if (info->code != si_queue || info->queued.value != handed_over_clone)
            return;  // a SIGSYS that somebody sent
        // The daemon held this thread at its first thread-creating call and left it before the
        // instruction.
        context->rip += 2;
        if (!prepare_process(context)) {
            context->rax = static_cast<std::uint64_t>(sys::call(
                call.number, call.a[0], call.a[1], call.a[2], call.a[3], call.a[4], call.a[5]));
            return;
        }
    }
    if (info->code > 0 && child_time::is_wait(call))
        return child_time::make_wait(context, call.number, context->rip);
    if ((process.flags & Parameters::trace) != 0 && ssi_prepared != 0)
        trace("home call", static_cast<unsigned long>(call.number),
              static_cast<unsigned long>(call.a[0]), static_cast<unsigned long>(call.a[1]));
    const long result =
        ssi_prepared != 0 ? home_call(self(), call, context) : plain_call(call, context);
    context->rax = static_cast<std::uint64_t>(result);
}
