// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/signal_frame.h"

#include "ssi/runtime/body_calls.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/signals.h"

namespace holon::ssi {
namespace {

constexpr std::uint64_t red_zone = 128;
constexpr std::uint64_t flags_cleared = 0x400 | 0x100 | 0x10000;  // DF, TF, RF

struct Frame {
    std::uint64_t restorer;
    sys::UContext context;
    sys::SigInfo info;
};

std::uint32_t fp_size_of(const std::uint8_t (&legacy)[512]) {
    std::uint32_t software[2];  // struct _fpx_sw_bytes: magic1, extended_size
    memcpy(software, legacy + 464, sizeof software);
    return software[0] == 0x46505853 ? software[1] : 512;
}

}  // namespace

bool on_stack(const sys::StackT& stack, std::uint64_t pointer) {
    return (stack.flags & sys::ss_disable) == 0 && pointer > stack.sp &&
           pointer - stack.sp <= stack.size;
}

bool push_signal(Thread* thread, sys::UContext& context, const sys::SigInfo& info,
                 const sys::SigAction& action) {
    sys::StackT& alternate = thread->state.context.stack;
    std::uint64_t sp = context.rsp - red_zone;
    if ((action.flags & sys::sa_onstack) != 0 && (alternate.flags & sys::ss_disable) == 0 &&
        alternate.size != 0 && !on_stack(alternate, context.rsp))
        sp = alternate.sp + alternate.size;

    std::uint64_t fp = 0;
    if (context.fpstate != 0) {
        const auto* present = reinterpret_cast<const std::uint8_t*>(context.fpstate);
        std::uint8_t legacy[512];
        memcpy(legacy, present, sizeof legacy);
        const std::uint32_t size = fp_size_of(legacy);
        fp = sp = (sp - size) & ~63UL;
        if (copy_out(fp, present, size) != 0) return false;
    }
    sp = ((sp - sizeof(Frame)) & ~15UL) - 8;
    Frame frame;
    frame.restorer = action.restorer;
    frame.context = context;
    frame.context.fpstate = fp;
    frame.context.stack = alternate;
    frame.info = info;
    if (copy_out(sp, &frame, sizeof frame) != 0) return false;

    context.rdi = static_cast<std::uint64_t>(info.signo);
    context.rsi = sp + offsetof(Frame, info);
    context.rdx = sp + offsetof(Frame, context);
    context.rax = 0;
    context.rsp = sp;
    context.rip = action.handler;
    context.eflags &= ~flags_cleared;
    context.sigmask |= action.mask;
    if ((action.flags & sys::sa_nodefer) == 0) context.sigmask |= 1UL << (info.signo - 1);
    return true;
}

bool pop_signal(ThreadState& state, std::uint64_t stack_pointer) {
    sys::UContext context;
    if (copy_in(&context, stack_pointer, sizeof context) != 0) return false;
    state.fp_size = 0;
    if (context.fpstate != 0) {
        std::uint8_t legacy[512];
        if (copy_in(legacy, context.fpstate, sizeof legacy) != 0) return false;
        const std::uint32_t size = fp_size_of(legacy);
        if (size > sizeof state.fp || copy_in(state.fp, context.fpstate, size) != 0) return false;
        state.fp_size = size;
    }
    state.context = context;
    // Only what a program may set: the kernel forces the same (FIX_EFLAGS, segments).
    state.context.fpstate = state.fp_size != 0 ? reinterpret_cast<std::uint64_t>(state.fp) : 0;
    return true;
}

void body_sigreturn(Thread* thread, const sys::UContext* context) {
    const std::uint16_t cs = context->cs, ss = context->ss;
    sys::StackT mine = context->stack;  // of the kernel's frame: the runtime's own
    if (!pop_signal(thread->state, context->rsp)) die("rt_sigreturn without a frame");
    thread->state.context.cs = cs;
    thread->state.context.ss = ss;
    thread->state.context.sigmask &= ~(1UL << (sys::sig_sys - 1));
    tell_mask(thread, thread->state.context.sigmask);
    deliver_signals(thread, &thread->state.context);
    leave_on_runtime_stack(thread, thread->state.context, mine);
}

}  // namespace holon::ssi
