// SPDX-License-Identifier: GPL-2.0-or-later
//
// The body process: an address space on another node that holds nothing but the runtime's range and
// copies of the program's mappings, and the bodies, its threads. Their system calls do not reach
// this kernel (Syscall User Dispatch) but this file, and from here the deputy at home.
#include "ssi/runtime/affinity.h"
#include "ssi/runtime/agent.h"
#include "ssi/runtime/body_calls.h"
#include "ssi/runtime/body_space.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/channel.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/signal_frame.h"
#include "ssi/runtime/signals.h"
#include "ssi/syscalls/table.h"

#include <linux/prctl.h>

namespace holon::ssi {
namespace {

constexpr std::uint64_t sigsys_bit = 1UL << (sys::sig_sys - 1);
constexpr int sys_user_dispatch = 2;
constexpr long arch_set_fs = 0x1002, arch_get_fs = 0x1003;

/// The runtime's alternate stack of a body: the lower part of its block's stack, so that a signal
/// taken in the handler of another goes below it and never onto the program's stack.
sys::StackT runtime_stack(const Thread* thread) {
    const std::uint64_t bottom = reinterpret_cast<std::uint64_t>(thread) + sizeof(Thread);
    return {bottom, 0, 0, thread->stack_top - bottom};
}

/// The deputy has gone: the program has ended, or its home is lost. Either way nothing here is of
/// use any more.
[[noreturn]] void end_with_home() {
    for (;;) sys::call(__NR_exit_group, 0);
}

/// Faults of the program's code come to the runtime even where the program blocks them: they may
/// mean memory that is at home, and when they mean the program's end its home must hear which. The
/// kernel would end the body process.
constexpr std::uint64_t fault_bits =
    1UL << (sys::sig_segv - 1) | 1UL << (sys::sig_bus - 1) | 1UL << 7 | 1UL << 3 | 1UL << 4;

void hide_faults(Thread* thread, std::uint64_t& mask) {
    thread->hidden_mask = mask & fault_bits;
    mask &= ~(fault_bits | sigsys_bit);
}

/// One call to the deputy. Bytes that come back are in thread->buffer.
struct Answer {
    long result;
    std::size_t bytes;
};

/// The program's memory that bytes are for; of size 0 they stay in thread->buffer.
struct Target {
    std::uint64_t address;
    std::size_t size;
};

Answer ask_deputy(Thread* thread, const Call& call, std::uint16_t flags, const void* extra,
                  std::size_t extra_size, Target target = {});

}  // namespace

void tell_mask(Thread* thread, std::uint64_t mask) {
    if (mask == thread->mask) return;
    const Call call{call_mask, {}, mask};
    ask_deputy(thread, call, 0, nullptr, 0);
}

namespace {

Answer ask_deputy(Thread* thread, const Call& call, std::uint16_t flags, const void* extra,
                  std::size_t extra_size, Target target) {
    thread->mask = call.mask;
    long error = send_frame(thread->channel, wire::Type::call, flags, thread->signals_taken,
                            thread->signals_seen, &call, sizeof call, extra, extra_size);
    wire::Frame frame;
    if (error == 0) error = receive_header(thread->channel, frame);
    if (error != 0) end_with_home();
    const bool for_program = target.size != 0;
    if (frame.type != wire::Type::result ||
        frame.length > (for_program ? target.size : thread->room))
        die("the home answered with what is no result", static_cast<long>(frame.type));
    if (!for_program) error = sys::read_all(thread->channel, thread->buffer, frame.length);
    if (error != 0) end_with_home();
    // What the call did to the address space must be so here before the program can find out.
    agent::applied().wait_for(static_cast<std::uint32_t>(frame.b));
    if (for_program)
        error = receive_for_program(thread->channel, target.address, frame.length, thread->buffer,
                                    thread->room);
    if (error == -sys::e_fault) return {error, 0};
    if (error != 0) end_with_home();
    return {static_cast<long>(frame.a), frame.length};
}

/// read, write and their kin, with the bytes in the message: no page goes home for them. What is
/// read goes from the channel to its place, which copies it once.
bool carried_call(Thread* thread, Call& call, long& result) {
    const Carried* which = carried(call.number);
    if (which == nullptr) return false;
    const auto size = static_cast<std::uint64_t>(call.args[which->size]);
    if (size == 0 || size > Thread::largest_room - sizeof call) return false;
    const auto address = static_cast<std::uint64_t>(call.args[which->buffer]);
    if (body_space::only_at_home(address, size)) return false;
    if (which->outbound) {
        if (!make_room(thread, size + sizeof call)) return false;
        if (copy_in(thread->buffer, address, size) != 0)
            return false;  // the kernel at home knows what part of it, or what error
        result = ask_deputy(thread, call, carries_bytes, thread->buffer, size).result;
        return true;
    }
    result = ask_deputy(thread, call, carries_bytes, nullptr, 0, {address, size}).result;
    return true;
}

long change_mask(Thread* thread, const Call& call, sys::UContext* context) {
    if (call.args[3] != 8) return -sys::e_inval;
    const std::uint64_t present = context->sigmask;
    std::uint64_t changed = present;
    if (call.args[1] != 0) {
        std::uint64_t set;
        long error = 0;
        if (copy_in(&set, static_cast<std::uint64_t>(call.args[1]), sizeof set) != 0)
            return -sys::e_fault;
        changed = changed_mask(call.args[0], present, set, error);
        if (error != 0) return error;
    }
    if (call.args[2] != 0 &&
        copy_out(static_cast<std::uint64_t>(call.args[2]), &present, sizeof present) != 0)
        return -sys::e_fault;
    context->sigmask = changed & ~sigsys_bit;
    tell_mask(thread, context->sigmask);
    return 0;
}

long alternate_stack(Thread* thread, const Call& call, const sys::UContext* context) {
    sys::StackT& present = thread->state.context.stack;
    sys::StackT before = present;
    const bool on_it = on_stack(present, context->rsp);
    if (on_it) before.flags |= sys::ss_onstack;
    if (call.args[0] != 0) {
        sys::StackT wanted;
        if (copy_in(&wanted, static_cast<std::uint64_t>(call.args[0]), sizeof wanted) != 0)
            return -sys::e_fault;
        if (on_it) return -sys::e_perm;
        if ((wanted.flags & sys::ss_disable) == 0 && wanted.size < 2048) return -sys::e_nomem;
        present = wanted;
    }
    if (call.args[1] != 0 &&
        copy_out(static_cast<std::uint64_t>(call.args[1]), &before, sizeof before) != 0)
        return -sys::e_fault;
    return 0;
}

[[noreturn]] void end_body(Thread* thread, Call& call) {
    call.args[1] = static_cast<std::int64_t>(thread->clear_tid);
    call.args[2] = static_cast<std::int64_t>(thread->robust_list);
    send_frame(thread->channel, wire::Type::call, 0, thread->signals_taken, thread->signals_seen,
               &call, sizeof call);
    sys::call(__NR_close, thread->channel);
    leave_thread();
}

/// Calls that wait for signals with a mask of their own: where it is.
std::uint64_t mask_of_wait(const Call& call) {
    constexpr std::int64_t epoll_pwait2 = 441;
    switch (call.number) {
        case __NR_rt_sigsuspend:
            return static_cast<std::uint64_t>(call.args[0]);
        case __NR_ppoll:
            return static_cast<std::uint64_t>(call.args[3]);
        case __NR_epoll_pwait:
        case epoll_pwait2:
            return static_cast<std::uint64_t>(call.args[4]);
        case __NR_pselect6: {
            std::uint64_t where = 0;
            const auto pair = static_cast<std::uint64_t>(call.args[5]);
            return pair != 0 && copy_in(&where, pair, sizeof where) == 0 ? where : 0;
        }
        default:
            return 0;
    }
}

/// A signal that was passed on before the program blocked it is here, and the kernel at home does
/// not know it any more: calls that wait for signals, or ask which there are, find it here. True:
/// answered.
bool answered_by_kept_signal(Thread* thread, const Call& call, long& result) {
    const std::uint64_t kept = kept_signals(thread);
    if (kept == 0) return false;
    if (call.number == __NR_rt_sigtimedwait) {
        std::uint64_t set;
        sys::SigInfo info;
        if (call.args[3] != 8 ||
            copy_in(&set, static_cast<std::uint64_t>(call.args[0]), sizeof set) != 0 ||
            !take_kept_signal(thread, set, info))
            return false;
        result = info.signo;
        if (call.args[1] != 0 &&
            copy_out(static_cast<std::uint64_t>(call.args[1]), &info, sizeof info) != 0)
            result = -sys::e_fault;
        return true;
    }
    if (call.number == __NR_rt_sigpending) {
        const auto where = static_cast<std::uint64_t>(call.args[0]);
        std::uint64_t set;
        result = ask_deputy(thread, call, 0, nullptr, 0).result;
        if (result == 0 && call.args[1] == 8 && copy_in(&set, where, sizeof set) == 0) {
            set |= kept;
            copy_out(where, &set, sizeof set);
        }
        return true;
    }
    std::uint64_t mask;
    const std::uint64_t where = mask_of_wait(call);
    if (where == 0 || copy_in(&mask, where, sizeof mask) != 0 || (kept & ~mask) == 0) return false;
    force_kept_signals(thread, ~mask);
    result = -sys::e_intr;
    return true;
}

/// A call that was answered here and found no memory where the program has some at home: it is made
/// again there.
long unless_at_home(Thread* thread, long result) {
    if (result != -sys::e_fault || !body_space::any_only_at_home()) return result;
    __atomic_store_n(&thread->recalled, 1U, __ATOMIC_RELEASE);
    return restart;
}

long forward(Thread* thread, Call& call, sys::UContext* context) {
    ++thread->calls;
    long result = 0;
    switch (call.number) {
        case __NR_rt_sigprocmask:
            return unless_at_home(thread, change_mask(thread, call, context));
        case __NR_sigaltstack:
            return unless_at_home(thread, alternate_stack(thread, call, context));
        case __NR_gettid:
            return thread->tid;
        case __NR_getpid:
            return process.pid;
        case __NR_sched_yield:
            return sys::call(__NR_sched_yield);
        case __NR_set_robust_list:
            if (call.args[1] != 24) return -sys::e_inval;
            thread->robust_list = static_cast<std::uint64_t>(call.args[0]);
            return 0;
        case __NR_set_tid_address:
            thread->clear_tid = static_cast<std::uint64_t>(call.args[0]);
            return thread->tid;
        case __NR_rseq:
            return -sys::e_nosys;
        case __NR_arch_prctl:
            if (call.args[0] == arch_set_fs || call.args[0] == arch_get_fs)
                return sys::call(__NR_arch_prctl, call.args[0], call.args[1]);
            return -sys::e_inval;
        case __NR_exit:
            end_body(thread, call);
        case __NR_rt_sigreturn:
            body_sigreturn(thread, context);
        case __NR_clone:
        case __NR_fork:
        case __NR_vfork: {
            ThreadState& state = thread->state;
            const sys::StackT stack = state.context.stack;
            capture(state, *context);
            state.context.stack = stack;
            sys::call_with(__NR_arch_prctl, arch_get_fs, &state.fs_base);
            return ask_deputy(thread, call, 0, &state, travelling_size(state)).result;
        }
        case __NR_clone3:
            return -sys::e_nosys;
        default:
            break;
    }
    const syscalls::Call* row = syscalls::find(static_cast<std::uint64_t>(call.number));
    if (!row) return -sys::e_nosys;
    if (row->what == syscalls::Class::refuse && row->answer != syscalls::Answer::pin)
        return -static_cast<long>(row->answer);
    if (answered_by_kept_signal(thread, call, result)) return result;
    if (cpu_time::body_call(thread, call, result) || local_call(call, result))
        return unless_at_home(thread, result);
    if (carried_call(thread, call, result)) return result;
    return ask_deputy(thread, call, 0, nullptr, 0).result;
}

/// A new body's first function: its state arrives, and it goes on where the program was.
void begin_body(void* argument) {
    auto* thread = static_cast<Thread*>(argument);
    adopt(thread);
    wire::Frame frame;
    const long error = receive_frame(thread->channel, frame, thread->buffer, thread->room);
    if (error != 0) {
        // The deputy could not take its end, and the thread stays at home.
        sys::call(__NR_close, thread->channel);
        leave_thread();
    }
    if (frame.type != wire::Type::start_thread || frame.length < offsetof(ThreadState, fp) ||
        frame.length > sizeof(ThreadState))
        die("what arrived is no thread", static_cast<long>(frame.type));
    memcpy(&thread->state, thread->buffer, frame.length);
    ThreadState& state = thread->state;
    if (travelling_size(state) != frame.length)
        die("what arrived is no thread", static_cast<long>(frame.length));
    agent::applied().wait_for(static_cast<std::uint32_t>(frame.b));
    wait_for_time();
    process.pid = state.pid;
    thread->tid = state.tid;
    thread->mask = state.context.sigmask & ~sigsys_bit;
    thread->cpu = state.cpu;
    affinity::bind_body(thread);
    cpu_time::arrive(thread, state.used + cpu_time::of_thread(thread));
    thread->clear_tid = state.clear_tid;
    thread->robust_list = state.robust_list;

    sys::call_with(__NR_arch_prctl, arch_set_fs, state.fs_base);
    const long dispatch = sys::call(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
                                    static_cast<long>(layout::range_begin),
                                    static_cast<long>(layout::range_end - layout::range_begin), 0);
    if (dispatch != 0) {
        // Without a selector byte the kernel wants none (NULL selector: always dispatch outside the
        // range).
        die("Syscall User Dispatch is refused", dispatch);
    }
    // The program's alternate stack stays in state.context.stack; the kernel gets the runtime's.
    sys::UContext& context = state.context;
    const sys::StackT mine = runtime_stack(thread);
    sys::call_with(__NR_sigaltstack, &mine, 0);
    context.fpstate = state.fp_size != 0 ? reinterpret_cast<std::uint64_t>(state.fp) : 0;
    context.sigmask &= ~sigsys_bit;
    go_home_if_asked(thread, &context);
    // Signals that came when it had no number here to be interrupted by.
    if (unseen_signals(thread))
        sys::call_with(__NR_tgkill, sys::call(__NR_getpid), thread->local_tid, sys::sig_sys);
    leave_on_runtime_stack(thread, context, mine);
}

}  // namespace

void fetch_action(Thread* thread, const Call& call, sys::SigAction& action) {
    const Answer answer = ask_deputy(thread, call, 0, nullptr, 0);
    if (answer.bytes != sizeof action)
        die("the home does not say what a fault means", call.args[0]);
    memcpy(&action, thread->buffer, sizeof action);
}

void leave_on_runtime_stack(Thread* thread, const sys::UContext& context,
                            const sys::StackT& stack) {
    // The frame that the kernel reads is a copy in the buffer: thread->state keeps the program's
    // own alternate stack.
    auto* frame = reinterpret_cast<sys::UContext*>(thread->buffer);
    *frame = context;
    frame->stack = stack;
    hide_faults(thread, frame->sigmask);
    ssi_leave(frame);
}

long start_body_thread(int channel, std::uint32_t number) {
    Thread* thread = new_thread();
    if (thread == nullptr) return -sys::e_nomem;
    thread->channel = channel;
    thread->number = number;
    thread->node = process.node;
    thread->recalled = sent_home_early(number) ? 1 : 0;
    affinity::recall_binding(thread);
    take_early_signals(thread);
    const long tid =
        ssi_clone_thread(sys::clone_vm | sys::clone_fs | sys::clone_files | sys::clone_sighand |
                             sys::clone_thread | sys::clone_sysvsem,
                         reinterpret_cast<void*>(thread->stack_top), 0, 0, 0, begin_body, thread);
    if (sys::failed(tid)) __atomic_store_n(&thread->occupied, 0, __ATOMIC_RELEASE);
    return tid;
}

}  // namespace holon::ssi

using namespace holon::ssi;

extern "C" void body_trap(int signo, sys::SigInfo* info, sys::UContext* context) {
    Thread* thread = self();
    if ((signo == sys::sig_segv || signo == sys::sig_bus) &&
        context->rip == reinterpret_cast<std::uint64_t>(ssi_copy_instruction)) {
        context->rip = reinterpret_cast<std::uint64_t>(ssi_copy_failed);
        return;
    }
    context->sigmask |= thread->hidden_mask;
    if (signo == sys::sig_sys && info->code == sys_user_dispatch) {
        if (unseen_signals(thread)) {
            // They came before the call: their handlers run, and then the instruction again.
            context->rip -= 2;
            if (deliver_signals(thread, context)) return hide_faults(thread, context->sigmask);
            context->rip += 2;
        }
        Call call{static_cast<std::int64_t>(context->rax),
                  {static_cast<std::int64_t>(context->rdi), static_cast<std::int64_t>(context->rsi),
                   static_cast<std::int64_t>(context->rdx), static_cast<std::int64_t>(context->r10),
                   static_cast<std::int64_t>(context->r8), static_cast<std::int64_t>(context->r9)},
                  context->sigmask};
        const long result = forward(thread, call, context);
        if (result == restart)
            context->rip -= 2;  // RAX still has the number: the instruction makes the call again
        else
            context->rax = static_cast<std::uint64_t>(result);
    } else if (signo != sys::sig_sys) {
        body_fault(thread, signo, *info, context);
        return hide_faults(thread, context->sigmask);
    } else {
        agent::wait_while_stopped();
    }
    deliver_signals(thread, context);
    go_home_if_asked(thread, context);
    hide_faults(thread, context->sigmask);
}
