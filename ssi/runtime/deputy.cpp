// SPDX-License-Identifier: GPL-2.0-or-later
//
// The deputy: the thread at home that does for its body, on another node, what only a thread of
// this process can do. Descriptors, pids, futexes, the working directory, credentials are natural
// here; memory the calls touch is at the same addresses, and what is elsewhere is brought by the
// agent when the kernel touches it.
#include <initializer_list>

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/channel.h"
#include "ssi/runtime/child_time.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/conduit.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/placement.h"
#include "ssi/runtime/policy.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/relocate.h"
#include "ssi/runtime/signals.h"
#include "ssi/runtime/space.h"
#include "ssi/runtime/waits.h"

namespace holon::ssi {
namespace {

bool starts_something(long number) {
    return number == __NR_clone || number == __NR_fork || number == __NR_vfork;
}

[[noreturn]] void end(Thread* thread, long status) {
    const std::uint64_t all = ~0UL;
    sys::call_with(__NR_rt_sigprocmask, 2, &all, 0, 8);
    return_signals(thread, thread->signals_taken, true);
    finish_thread(thread->robust_list, thread->clear_tid, thread->tid);
    const bool last = unplace_thread(thread);
    sys::call(__NR_close, thread->channel);
    conduit::close(thread);
    // The agent would keep the process alive that has lost its last thread.
    if (last) {
        cpu_time::report();
        sys::call(__NR_exit_group, status);
    }
    report_away();
    leave_thread();
}

constexpr std::int64_t epoll_pwait2 = 441;

struct Reply {
    long result;
    std::size_t bytes;     ///< of thread->buffer to send along
    bool spliced = false;  ///< they are in the conduit
};

bool dumps_core() {
    constexpr long core = 4;  // RLIMIT_CORE
    std::uint64_t limit[2] = {};
    return sys::call_with(__NR_prlimit64, 0, core, 0, limit) == 0 && limit[0] != 0;
}

/// The body's own code faulted: what the program does about it, or its end as the kernel would have
/// it.
Reply fault(Thread* thread, const Call& call) {
    const sys::SigAction action = program_action(call.args[0]);
    if ((process.flags & Parameters::trace) != 0)
        trace("fault", static_cast<unsigned long>(call.args[0]),
              static_cast<unsigned long>(call.args[2]), static_cast<unsigned long>(call.args[3]));
    const bool blocked = (call.mask & (1UL << (call.args[0] - 1))) != 0;
    if (action.handler > 1 && !blocked) {
        memcpy(thread->buffer, &action, sizeof action);
        if ((action.flags & sys::sa_resethand) != 0) {
            const sys::SigAction standard{};
            sys::call_with(__NR_rt_sigaction, call.args[0], &standard, 0, 8);
        }
        return {0, sizeof action};
    }
    // The core dump is of this node's memory: what is elsewhere comes first, and stays.
    if (dumps_core()) space::freeze();
    const sys::SigAction standard{};
    sys::call_with(__NR_rt_sigaction, call.args[0], &standard, 0, 8);
    sys::SigInfo info{};
    info.signo = static_cast<std::int32_t>(call.args[0]);
    info.code = static_cast<std::int32_t>(call.args[1]);
    info.address = static_cast<std::uint64_t>(call.args[2]);
    const std::uint64_t none = 0;
    sys::call_with(__NR_rt_sigprocmask, 2, &none, 0, 8);
    const long pid = sys::call(__NR_getpid);
    sys::call_with(__NR_rt_tgsigqueueinfo, pid, thread->tid, call.args[0], &info);
    die("a fault on another node did not end the program", call.args[0]);
}

/// A thread state as it arrived, checked.
void take_state(Thread* thread, const std::uint8_t* data, std::size_t size) {
    if (size < offsetof(ThreadState, fp) || size > sizeof(ThreadState))
        die("a body sent a broken thread state", static_cast<long>(size));
    memcpy(&thread->state, data, size);
    if (travelling_size(thread->state) != size)
        die("a body sent a broken thread state", static_cast<long>(size));
}

/// A call that may wait; `make` makes it. One that is given up goes on at home with what is left.
template <typename Make>
long wait_in(Thread* thread, const CallArgs& args, const Make& make) {
    waits::begin(thread, args);
    const long result = make();
    if (result == restart && __atomic_load_n(&thread->recalled, __ATOMIC_ACQUIRE) != 0)
        waits::given_up(thread, args);
    return result;
}

/// `unseen`: signals are on their way to the body, which it had not seen when it made the call.
Reply serve(Thread* thread, const Call& call, const std::uint8_t* extra, std::size_t extra_size,
            bool carries, bool unseen) {
    CallArgs args{
        call.number,
        {call.args[0], call.args[1], call.args[2], call.args[3], call.args[4], call.args[5]}};
    long result = 0;
    switch (call.number) {
        case call_come_home:
            take_state(thread, extra, extra_size);
            if (call.args[0] != 0) policy::came_for_memory(thread);
            come_home(thread);
        case __NR_exit:
            thread->clear_tid = static_cast<std::uint64_t>(call.args[1]);
            thread->robust_list = static_cast<std::uint64_t>(call.args[2]);
            end(thread, call.args[0]);
        case call_fault:
            return fault(thread, call);
        case call_mask:
            return {0, 0};  // it came with the call
        default:
            break;
    }
    if (unseen) return {restart, 0};
    if (needs_home(args)) recall_all(pin_reason(args));
    // Whatever it is, the body makes it again, at home.
    if (__atomic_load_n(&thread->recalled, __ATOMIC_ACQUIRE) != 0) return {restart, 0};
    if (address_space_call(args, result) || cpu_time::call(thread, args, result))
        return {result, 0};
    if (starts_something(call.number)) {
        take_state(thread, extra, extra_size);
        auto& state = thread->state;
        const bool is_thread =
            call.number == __NR_clone && (args.a[0] & static_cast<long>(sys::clone_thread)) != 0;
        return {
            is_thread ? create_thread(thread, state, args) : create_process(thread, state, args),
            0};
    }
    const auto make = [&] { return ssi_interruptible(thread, call.number, args.a); };
    switch (call.number) {
        case __NR_rt_sigaction:
            return {signal_action(call.args[0], static_cast<std::uint64_t>(call.args[1]),
                                  static_cast<std::uint64_t>(call.args[2]), call.args[3]),
                    0};
        case __NR_getpid:
            return {sys::call(__NR_getpid), 0};
        case __NR_exit_group:
            cpu_time::report();
            return {make(), 0};
        case __NR_execve:
        case __NR_execveat:
            return {ssi_notified(call.number, args.a), 0};
        case __NR_futex:
            return {wait_in(thread, args, [&] { return futex_call(thread, args); }), 0};
        case __NR_sched_getaffinity:
        case __NR_sched_setaffinity:
            return {affinity::call(thread, args, nullptr), 0};
        case __NR_close:
        case __NR_dup2:
        case __NR_dup3:
        case __NR_close_range:
            return {descriptor_call(thread, args), 0};
        case __NR_wait4:
        case __NR_waitid:
            result = make();
            child_time::waited(args, result);
            return {result, 0};
        case __NR_rt_sigsuspend:
        case __NR_ppoll:
        case __NR_pselect6:
        case __NR_epoll_pwait:
        case epoll_pwait2: {
            thread->temporary_mask = true;
            result = wait_in(thread, args, make);
            thread->temporary_mask = false;
            return {result, 0};
        }
        default:
            break;
    }
    if (carries) {
        const Carried* which = carried(call.number);
        if (which == nullptr) die("a body sent bytes with a call that carries none", call.number);
        if (which->outbound) {
            args.a[which->buffer] = reinterpret_cast<long>(extra);
            args.a[which->size] = static_cast<long>(extra_size);
            return {ssi_interruptible(thread, call.number, args.a), 0};
        }
        const auto size = static_cast<std::uint64_t>(args.a[which->size]);
        if (call.number == __NR_read && size >= conduit::worth_it &&
            conduit::read(thread, static_cast<int>(args.a[0]), size, result))
            return {result, result > 0 ? static_cast<std::size_t>(result) : 0, true};
        if (!make_room(thread, size))
            die("a body asked for more bytes than a message carries", args.a[which->size]);
        args.a[which->buffer] = reinterpret_cast<long>(thread->buffer);
        const long n = ssi_interruptible(thread, call.number, args.a);
        return {n, n > 0 ? static_cast<std::size_t>(n) : 0};
    }
    return {wait_in(thread, args, make), 0};
}

/// A signal that its body kept back: blocked in the body's mask, so in this thread's too.
void keep_back(Thread* thread, const std::uint8_t* data, std::size_t size) {
    sys::SigInfo info;
    if (size != sizeof info) die("a body sent a broken signal", static_cast<long>(size));
    memcpy(&info, data, sizeof info);
    sys::call_with(__NR_rt_tgsigqueueinfo, process.pid, thread->tid, info.signo, &info);
}

long answer(Thread* thread, const Reply& reply) {
    const std::uint16_t flags = reply.bytes != 0 ? carries_bytes : 0;
    const auto result = static_cast<std::uint64_t>(reply.result);
    const std::uint32_t position = space::link_position(thread->node);
    if (reply.spliced && reply.bytes != 0)
        return conduit::send(thread, {0, wire::Type::result, flags, result, position, 0},
                             reply.bytes);
    return send_frame(thread->channel, wire::Type::result, flags, result, position, thread->buffer,
                      reply.bytes);
}

/// The body's next call. Meanwhile signals that come are passed on.
long next_frame(Thread* thread, wire::Frame& frame) {
    std::size_t have = 0;
    while (have < sizeof frame) {
        if (thread->pending_signals != 0) pass_signals(thread);
        const long args[6] = {
            thread->channel, reinterpret_cast<long>(reinterpret_cast<std::uint8_t*>(&frame) + have),
            static_cast<long>(sizeof frame - have)};
        const long n = ssi_interruptible(thread, __NR_read, args);
        if (n == -sys::e_intr || n == restart) continue;
        if (n <= 0) return n == 0 ? -sys::e_badf : n;
        have += static_cast<std::size_t>(n);
    }
    clock_seen(frame.clock);
    if (!make_room(thread, frame.length)) return -sys::e_inval;
    return frame.length == 0 ? 0 : sys::read_all(thread->channel, thread->buffer, frame.length);
}

}  // namespace

void deputy_main(Thread* thread) {
    // All signals are blocked since the thread was made; the body's mask comes into force below.
    thread->mask = ~0UL;
    thread->signals_put = thread->signals_taken = thread->signals_seen = 0;
    {
        const RoomForDescriptors room;
        const long channel = open_channel(thread->node, thread->number);
        // Its node cannot be reached, or there is no descriptor for the way: it runs at home.
        thread->state.clear_tid = thread->clear_tid;
        thread->state.robust_list = thread->robust_list;
        if (sys::failed(channel)) come_home(thread);
        thread->channel = hide_descriptor(static_cast<int>(channel));
    }
    thread->state.tid = thread->tid;
    thread->state.pid = process.pid;
    thread->state.cpu = thread->cpu;
    affinity::describe(thread);
    thread->state.used = cpu_time::of_thread(thread);
    thread->state.clear_tid = thread->clear_tid;
    thread->state.robust_list = thread->robust_list;
    long error = send_frame(thread->channel, wire::Type::start_thread, 0, thread->number,
                            space::link_position(thread->node), &thread->state,
                            travelling_size(thread->state));
    report_away();
    relocate::arrived(thread);
    if (observe::on()) observe::moved(thread);
    set_deputy_mask(thread, thread->state.context.sigmask);
    while (error == 0) {
        wire::Frame frame;
        error = next_frame(thread, frame);
        if (error != 0) break;
        Call call;
        if (frame.type != wire::Type::call || frame.length < sizeof call)
            die("a body sent what is no call", static_cast<long>(frame.type));
        memcpy(&call, thread->buffer, sizeof call);
        __atomic_store_n(&thread->signals_taken, static_cast<std::uint32_t>(frame.a),
                         __ATOMIC_RELEASE);
        set_deputy_mask(thread, call.mask);
        // There may be room again for what the kernel was told to keep.
        if (thread->pending_signals != 0 || thread->full) pass_signals(thread);
        ++thread->calls;
        policy::count_call();
        if ((process.flags & Parameters::trace) != 0)
            trace("call", static_cast<unsigned long>(call.number),
                  static_cast<unsigned long>(call.args[0]),
                  static_cast<unsigned long>(call.args[1]));
        if (call.number == call_signal_back) {
            keep_back(thread, thread->buffer + sizeof call, frame.length - sizeof call);
            continue;
        }
        const Reply reply = serve(thread, call, thread->buffer + sizeof call,
                                  frame.length - sizeof call, (frame.flags & carries_bytes) != 0,
                                  static_cast<std::uint32_t>(frame.b) != thread->signals_seen);
        // What interrupted the call is at the body's node before the result is.
        if (thread->pending_signals != 0) pass_signals(thread);
        error = answer(thread, reply);
        if (observe::on()) observe::called(thread, call.number, frame.clock);
    }
    die("lost the connection to a thread on another node", error);
}

}  // namespace holon::ssi
