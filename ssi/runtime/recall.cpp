// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/recall.h"

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/channel.h"
#include "ssi/runtime/conduit.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/relocate.h"
#include "ssi/runtime/signals.h"
#include "ssi/runtime/space.h"
#include "ssi/runtime/waits.h"
#include "ssi/syscalls/table.h"

namespace holon::ssi {
namespace {

constexpr long arch_set_fs = 0x1002, arch_get_fs = 0x1003;

Sequence homecomings;

/// Numbers of threads whose order to go home came before they did, or after they had gone: the
/// oldest are forgotten. Agent's thread only.
std::uint32_t early[64];
std::size_t early_count;

std::uint32_t away() {
    Holding held(process.thread_lock);
    std::uint32_t count = 0;
    for (std::uint32_t node = 1; node < process.nodes; ++node) count += process.threads_on[node];
    return count;
}

void ask_home(Thread* thread) {
    __atomic_store_n(&thread->recalled, 1U, __ATOMIC_RELEASE);
    space::send_recall(thread->node, thread->number);
    // The deputy may be waiting in a call of its body's: it gives it up, and the body makes it
    // again.
    __atomic_add_fetch(&thread->pending_signals, 1U, __ATOMIC_RELEASE);
    sys::call_with(__NR_tgkill, process.pid, thread->tid, sys::sig_sys);
}

}  // namespace

bool needs_home(const CallArgs& call) {
    if (!process.armed) return false;
    switch (call.number) {
        case __NR_openat:
            return (call.a[2] & 040000) != 0;  // O_DIRECT: the kernel writes past write protection
        case __NR_vmsplice:
            return true;
        default: {
            const syscalls::Call* row = syscalls::find(static_cast<std::uint64_t>(call.number));
            return row && row->answer == syscalls::Answer::pin;
        }
    }
}

const char* pin_reason(const CallArgs& call) {
    const syscalls::Call* row = syscalls::find(static_cast<std::uint64_t>(call.number));
    return row ? row->name : "call";
}

void recall_all(const char* reason) {
    {
        Holding held(process.thread_lock);
        if (process.pinned) return;
        process.pinned = true;
    }
    report_pinned(reason);
    if (observe::on()) observe::pinned(reason);
    for_each_thread([](Thread* thread) {
        if (thread->node != 0 && thread->number != ~0U) ask_home(thread);
    });
}

void kick_later(Thread* thread) {
    struct Event {
        std::uint64_t value;
        std::int32_t signo, notify, tid, rest[11];
    } event{0, sys::sig_sys, 4, thread->local_tid, {}};  // SIGEV_THREAD_ID
    static_assert(sizeof event == 64);
    struct {
        std::int64_t interval[2], first[2];
    } const soon{{0, 0}, {0, 50'000}};
    if (thread->later == 0 &&
        sys::call_with(__NR_timer_create, 1, &event, &thread->later_timer) == 0)
        thread->later = 1;
    if (thread->later != 0) sys::call_with(__NR_timer_settime, thread->later_timer, 0, &soon, 0);
}

void recall_one(Thread* thread) { ask_home(thread); }

void wait_for_all() {
    for (;;) {
        const std::uint32_t seen = homecomings.now();
        if (away() == 0) return;
        homecomings.wait_for(seen + 1);
    }
}

void disarm() { space::disarm(); }

void come_home(Thread* thread) {
    const std::uint64_t all = ~0UL;
    sys::call_with(__NR_rt_sigprocmask, 2, &all, 0, 8);
    // What had come for the body and was not seen by it comes again, now to this thread.
    return_signals(thread, thread->signals_taken, false);
    const bool was_away = thread->channel >= 0;
    if (was_away) sys::call(__NR_close, thread->channel);
    thread->channel = -1;
    conduit::close(thread);
    give_back_room(thread);
    thread->robust_list = thread->state.robust_list;
    thread->clear_tid = thread->state.clear_tid;
    {
        Holding held(process.thread_lock);
        --process.threads_on[thread->node];
        ++process.threads_on[0];
        thread->node = 0;
    }
    report_away();
    if (observe::on()) observe::moved(thread);
    thread->recalled = 0;
    thread->pending_signals = 0;
    homecomings.advance();
    cpu_time::arrive(thread, thread->state.used);
    waits::go_on(thread);
    relocate::arrived_home(thread, was_away);
    affinity::leave_again(thread);
    sys::call_with(__NR_arch_prctl, arch_set_fs, thread->state.fs_base);
    resume(thread, thread->state, thread->state.context.stack);
}

void send_home(std::uint32_t number) {
    if (Thread* thread = find_thread(number)) {
        __atomic_store_n(&thread->recalled, 1U, __ATOMIC_RELEASE);
        sys::call_with(__NR_tgkill, sys::call(__NR_getpid), thread->local_tid, sys::sig_sys);
    } else {
        early[early_count++ % (sizeof early / sizeof *early)] = number;
    }
}

bool sent_home_early(std::uint32_t number) {
    // The first thread of a process has number 0, and no body that it could come before.
    for (const std::uint32_t each : early)
        if (each == number) return number != 0;
    return false;
}

void go_home_if_asked(Thread* thread, sys::UContext* context) {
    if (__atomic_load_n(&thread->recalled, __ATOMIC_ACQUIRE) == 0) return;
    if (layout::in_range(context->rip)) return kick_later(thread);
    go_home(thread, context, 0);
}

void go_home(Thread* thread, sys::UContext* context, std::int64_t reason) {
    if (thread->later != 0) sys::call_with(__NR_timer_delete, thread->later_timer);
    thread->later = 0;
    // Signals that the thread keeps back: its kernel at home does that from now on.
    while (thread->signals_taken != __atomic_load_n(&thread->signals_put, __ATOMIC_ACQUIRE)) {
        const PendingSignal& signal =
            thread->signals[thread->signals_taken++ % Thread::signal_slots];
        const Call back{call_signal_back, {}, context->sigmask};
        send_frame(thread->channel, wire::Type::call, 0, thread->signals_taken,
                   thread->signals_taken, &back, sizeof back, &signal.info, sizeof signal.info);
    }
    ThreadState& state = thread->state;
    const sys::StackT alternate = state.context.stack;
    capture(state, *context);
    state.context.stack = alternate;
    sys::call_with(__NR_arch_prctl, arch_get_fs, &state.fs_base);
    state.used = cpu_time::of_thread(thread);
    state.clear_tid = thread->clear_tid;
    state.robust_list = thread->robust_list;
    const Call call{call_come_home, {reason}, context->sigmask};
    const long error =
        send_frame(thread->channel, wire::Type::call, 0, thread->signals_taken,
                   thread->signals_taken, &call, sizeof call, &state, travelling_size(state));
    if (error != 0) sys::call(__NR_exit_group, 0);
    sys::call(__NR_close, thread->channel);
    leave_thread();
}

}  // namespace holon::ssi
