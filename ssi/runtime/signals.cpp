// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/signals.h"

#include "ssi/runtime/calls.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/signal_frame.h"
#include "ssi/runtime/space.h"

#pragma GCC visibility push(hidden)
extern "C" {
/// The program's handlers by signal number; read by entry.S.
std::uint64_t ssi_handlers[65];
void deputy_signal(int signo, const holon::ssi::sys::SigInfo* info,
                   holon::ssi::sys::UContext* context);
}
#pragma GCC visibility pop

namespace holon::ssi {
namespace {

constexpr std::uint64_t sigsys_bit = 1UL << (sys::sig_sys - 1);
constexpr std::uint32_t ring = Thread::signal_slots;

Lock action_lock;
/// The program's flags where the kernel has others: it fills in siginfo only when SA_SIGINFO is set
/// (arch/x86/kernel/signal_64.c, Linux 6.1), and a deputy must know what to pass on.
std::uint64_t program_flags[65];

std::uint64_t bit(int signo) { return 1UL << (signo - 1); }
std::uint64_t master() { return reinterpret_cast<std::uint64_t>(&ssi_home_signal); }

/// The action as the kernel gets it: the master handler in place of the program's.
void give_to_kernel(long signo, sys::SigAction& action) {
    ssi_handlers[signo] = action.handler;
    program_flags[signo] = action.flags;
    action.handler = master();
    action.flags |= sys::sa_siginfo;
}

bool put(Thread* thread, const PendingSignal& signal) {
    const std::uint32_t at = thread->signals_put;
    if (at - __atomic_load_n(&thread->signals_taken, __ATOMIC_ACQUIRE) == ring) return false;
    thread->signals[at % ring] = signal;
    __atomic_store_n(&thread->signals_put, at + 1, __ATOMIC_RELEASE);
    return true;
}

}  // namespace

void adopt_handlers() {
    for (int signo = 1; signo <= 64; ++signo) {
        sys::SigAction action;
        if (signo == sys::sig_sys || sys::call_with(__NR_rt_sigaction, signo, 0, &action, 8) != 0 ||
            action.handler <= 1 || action.handler == master())
            continue;
        give_to_kernel(signo, action);
        action.mask &= ~sigsys_bit;
        sys::call_with(__NR_rt_sigaction, signo, &action, 0, 8);
    }
}

long signal_action(long signo, std::uint64_t action, std::uint64_t old, long size) {
    if (size != 8) return -sys::e_inval;
    sys::SigAction wanted{}, before{};
    if (action != 0 && copy_in(&wanted, action, sizeof wanted) != 0) return -sys::e_fault;
    // The runtime's own; the program is told that nothing is set.
    if (signo == sys::sig_sys) return old != 0 ? copy_out(old, &before, sizeof before) : 0;
    if (signo < 1 || signo > 64) return -sys::e_inval;
    long result;
    {
        Holding held(action_lock);
        const sys::SigAction programs{ssi_handlers[signo], program_flags[signo], 0, 0};
        wanted.mask &= ~sigsys_bit;
        if (action != 0 && wanted.handler > 1 && ssi_prepared != 0) {
            give_to_kernel(signo, wanted);
        }
        result =
            sys::call_with(__NR_rt_sigaction, signo, action != 0 ? &wanted : nullptr, &before, 8);
        if (before.handler == master()) {
            before.handler = programs.handler;
            before.flags = programs.flags;
        }
    }
    if (result == 0 && old != 0 && copy_out(old, &before, sizeof before) != 0) return -sys::e_fault;
    return result;
}

void release_actions() { action_lock = Lock{}; }

sys::SigAction program_action(long signo) {
    sys::SigAction action{};
    Holding held(action_lock);
    sys::call_with(__NR_rt_sigaction, signo, 0, &action, 8);
    if (action.handler == master()) {
        action.handler = ssi_handlers[signo];
        action.flags = program_flags[signo];
    }
    return action;
}

void set_deputy_mask(Thread* thread, std::uint64_t mask) {
    mask &= ~sigsys_bit;
    if (mask == thread->mask) return;
    thread->mask = mask;
    sys::call_with(__NR_rt_sigprocmask, 2, &mask, 0, 8);
}

void pass_signals(Thread* thread) {
    while (__atomic_exchange_n(&thread->pending_signals, 0U, __ATOMIC_ACQ_REL) != 0) {
        while (thread->signals_taken != __atomic_load_n(&thread->signals_put, __ATOMIC_ACQUIRE)) {
            PendingSignal& signal = thread->signals[thread->signals_taken % ring];
            space::send_signal(thread->node, thread->number, signal);
            __atomic_store_n(&thread->signals_taken, thread->signals_taken + 1, __ATOMIC_RELEASE);
        }
    }
    // Where the ring was full the kernel was told to keep signals back (deputy_signal).
    if (thread->mask == ~0UL) return;
    const std::uint64_t mask = thread->mask;
    sys::call_with(__NR_rt_sigprocmask, 2, &mask, 0, 8);
}

void receive_signal(std::uint32_t number, const PendingSignal& signal) {
    Thread* thread = find_thread(number);
    if (!thread) return;
    if (!put(thread, signal)) return;  // as a kernel whose queue is full (RLIMIT_SIGPENDING)
    sys::call_with(__NR_tgkill, sys::call(__NR_getpid), thread->local_tid, sys::sig_sys);
}

void deliver_signals(Thread* thread, sys::UContext* context) {
    // Oldest first. Those that the thread keeps back stay in the ring, in order; only the agent
    // adds at its other end, so they move up towards the end that has been looked at.
    const std::uint32_t end = __atomic_load_n(&thread->signals_put, __ATOMIC_ACQUIRE);
    const std::uint32_t begin = thread->signals_taken;
    std::uint32_t kept = 0;
    PendingSignal keep[ring];
    for (std::uint32_t at = begin; at != end; ++at) {
        const PendingSignal& signal = thread->signals[at % ring];
        if ((context->sigmask & bit(signal.info.signo)) != 0 && signal.forced == 0)
            keep[kept++] = signal;
        else if (!push_signal(thread, *context, signal.info, signal.action))
            die("a signal's frame does not fit the stack", signal.info.signo);
    }
    if (begin + kept == end) return;  // nothing was delivered
    for (std::uint32_t i = 0; i < kept; ++i) thread->signals[(end - kept + i) % ring] = keep[i];
    __atomic_store_n(&thread->signals_taken, end - kept, __ATOMIC_RELEASE);
}

}  // namespace holon::ssi

using namespace holon::ssi;

extern "C" void deputy_signal(int, const sys::SigInfo* info, sys::UContext* context) {
    Thread* thread = self();
    PendingSignal signal{*info, program_action(info->signo), thread->temporary_mask ? 1UL : 0UL};
    if (!put(thread, signal)) {
        // No room: the kernel keeps the rest until the ring has been passed on. This one is sent
        // again to this thread, and waits there.
        context->sigmask = ~0UL;
        sys::SigInfo again = *info;
        sys::call_with(__NR_rt_tgsigqueueinfo, sys::call(__NR_getpid), thread->local_tid,
                       info->signo, &again);
        return;
    }
    __atomic_add_fetch(&thread->pending_signals, 1U, __ATOMIC_RELEASE);
    const auto begin = reinterpret_cast<std::uint64_t>(ssi_interruptible_begin);
    const auto call = reinterpret_cast<std::uint64_t>(ssi_interruptible_syscall);
    if (context->rip >= begin && context->rip <= call)
        context->rip = reinterpret_cast<std::uint64_t>(ssi_interruptible_abort);
}
