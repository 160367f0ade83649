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
/// The program's actions as it gave them: the kernel has another handler, and other flags, for it
/// fills in siginfo only when SA_SIGINFO is set (arch/x86/kernel/signal_64.c, Linux 6.1), and a
/// deputy must know what to pass on.
sys::SigAction program_actions[65];

/// Signals that came for threads that are not here: not yet, or no more. The oldest are forgotten.
/// Agent's thread only.
constexpr std::size_t early_signals = 256;
struct Early {
    std::uint32_t number;
    PendingSignal signal;
};
Early early[early_signals];
std::size_t early_count;

std::uint64_t bit(int signo) { return 1UL << (signo - 1); }
std::uint64_t master() { return reinterpret_cast<std::uint64_t>(&ssi_home_signal); }

/// The actions are looked at by a deputy's handler of signals, too: whoever holds their lock takes
/// no signal.
class Actions {
  public:
    Actions() {
        const std::uint64_t all = ~0UL;
        sys::call_with(__NR_rt_sigprocmask, 2, &all, &before_, 8);
        action_lock.acquire();
    }
    ~Actions() {
        action_lock.release();
        sys::call_with(__NR_rt_sigprocmask, 2, &before_, 0, 8);
    }
    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;

  private:
    std::uint64_t before_ = 0;
};

/// The action as the kernel gets it: the master handler in place of the program's.
void give_to_kernel(long signo, sys::SigAction& action) {
    ssi_handlers[signo] = action.handler;
    program_actions[signo] = action;
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
        const Actions mine;
        const sys::SigAction programs = program_actions[signo];
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
    const Actions mine;
    sys::call_with(__NR_rt_sigaction, signo, 0, &action, 8);
    if (action.handler == master()) {
        action.handler = program_actions[signo].handler;
        action.flags = program_actions[signo].flags;
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
        while (thread->signals_seen != __atomic_load_n(&thread->signals_put, __ATOMIC_ACQUIRE)) {
            space::send_signal(thread->node, thread->number,
                               thread->signals[thread->signals_seen % ring]);
            ++thread->signals_seen;
        }
    }
    // Where the ring was full the kernel was told to keep signals back (deputy_signal).
    thread->full = false;
    if (thread->mask == ~0UL) return;
    const std::uint64_t mask = thread->mask;
    sys::call_with(__NR_rt_sigprocmask, 2, &mask, 0, 8);
}

void return_signals(Thread* thread, std::uint32_t taken, bool ended) {
    constexpr int si_tkill = -6, si_queue = -1;
    for (; taken != thread->signals_put; ++taken) {
        sys::SigInfo& info = thread->signals[taken % ring].info;
        if (!ended) {
            sys::call_with(__NR_rt_tgsigqueueinfo, process.pid, thread->tid, info.signo, &info);
        } else if (info.code != si_tkill) {
            // A code of the kernel's own may be given by the process's first thread only
            // (do_rt_sigqueueinfo compares with the caller's TID, Linux 6.1). All else stays.
            if (info.code >= 0) info.code = si_queue;
            sys::call_with(__NR_rt_sigqueueinfo, process.pid, info.signo, &info);
        }
    }
    thread->signals_taken = thread->signals_seen = thread->signals_put;
}

void receive_signal(std::uint32_t number, const PendingSignal& signal) {
    Thread* thread = find_thread(number);
    if (!thread) {
        early[early_count++ % early_signals] = {number, signal};
        return;
    }
    if (!put(thread, signal)) return;  // as a kernel whose queue is full (RLIMIT_SIGPENDING)
    sys::call_with(__NR_tgkill, sys::call(__NR_getpid), thread->local_tid, sys::sig_sys);
}

void take_early_signals(Thread* thread) {
    const std::size_t first = early_count > early_signals ? early_count - early_signals : 0;
    for (std::size_t i = first; i < early_count; ++i)
        if (early[i % early_signals].number == thread->number)
            put(thread, early[i % early_signals].signal);
}

bool deliver_signals(Thread* thread, sys::UContext* context) {
    // Oldest first. Those that the thread keeps back stay in the ring, in order; only the agent
    // adds at its other end, so they move up towards the end that has been looked at.
    const std::uint32_t end = __atomic_load_n(&thread->signals_put, __ATOMIC_ACQUIRE);
    const std::uint32_t begin = thread->signals_taken;
    thread->signals_seen = end;
    std::uint32_t kept = 0;
    PendingSignal keep[ring];
    for (std::uint32_t at = begin; at != end; ++at) {
        const PendingSignal& signal = thread->signals[at % ring];
        if ((context->sigmask & bit(signal.info.signo)) != 0 && signal.forced == 0)
            keep[kept++] = signal;
        else if (!push_signal(thread, *context, signal.info, signal.action))
            die("a signal's frame does not fit the stack", signal.info.signo);
    }
    if (begin + kept == end) return false;
    for (std::uint32_t i = 0; i < kept; ++i) thread->signals[(end - kept + i) % ring] = keep[i];
    __atomic_store_n(&thread->signals_taken, end - kept, __ATOMIC_RELEASE);
    return true;
}

bool unseen_signals(const Thread* thread) {
    return thread->signals_seen != __atomic_load_n(&thread->signals_put, __ATOMIC_ACQUIRE);
}

std::uint64_t kept_signals(const Thread* thread) {
    std::uint64_t set = 0;
    for (std::uint32_t at = thread->signals_taken; at != thread->signals_seen; ++at)
        set |= bit(thread->signals[at % ring].info.signo);
    return set;
}

bool take_kept_signal(Thread* thread, std::uint64_t set, sys::SigInfo& info) {
    // The lowest number, and of equals the oldest, as the kernel chooses.
    const std::uint64_t wanted = kept_signals(thread) & set;
    if (wanted == 0) return false;
    const int signo = __builtin_ctzl(wanted) + 1;
    std::uint32_t at = thread->signals_taken;
    while (thread->signals[at % ring].info.signo != signo) ++at;
    info = thread->signals[at % ring].info;
    for (; at != thread->signals_taken; --at)
        thread->signals[at % ring] = thread->signals[(at - 1) % ring];
    __atomic_store_n(&thread->signals_taken, thread->signals_taken + 1, __ATOMIC_RELEASE);
    return true;
}

void force_kept_signals(Thread* thread, std::uint64_t set) {
    for (std::uint32_t at = thread->signals_taken; at != thread->signals_seen; ++at)
        if ((set & bit(thread->signals[at % ring].info.signo)) != 0)
            thread->signals[at % ring].forced = 1;
}

}  // namespace holon::ssi

using namespace holon::ssi;

extern "C" void deputy_signal(int, const sys::SigInfo* info, sys::UContext* context) {
    Thread* thread = self();
    // One after the other: the frame that is left gives the mask back.
    const std::uint64_t all = ~0UL;
    sys::call_with(__NR_rt_sigprocmask, 2, &all, 0, 8);
    sys::SigAction action = program_action(info->signo);
    // The kernel has reset it already (SA_RESETHAND): it is still this signal's.
    if (action.handler <= 1) action = program_actions[info->signo];
    const PendingSignal signal{*info, action, thread->temporary_mask ? 1UL : 0UL};
    if (!put(thread, signal)) {
        // No room: the kernel keeps the rest until the ring has been passed on. This one is sent
        // again to this thread, and waits there.
        context->sigmask = ~0UL;
        thread->full = true;
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
