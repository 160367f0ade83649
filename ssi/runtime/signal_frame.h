// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signal frames as the kernel builds and reads them (arch/x86/kernel/signal_64.c, Linux 6.1), for
// bodies: the kernel of their node knows nothing of the program's handlers.
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi {

/// A thread with that stack pointer runs on that alternate stack.
bool on_stack(const sys::StackT& stack, std::uint64_t pointer);

/// Turns `context` into the entry of the handler: the frame lies on the program's stack or
/// alternate stack. False: the stack cannot take it.
bool push_signal(Thread* thread, sys::UContext& context, const sys::SigInfo& info,
                 const sys::SigAction& action);

/// The reverse, for rt_sigreturn with that stack pointer. False: there is no frame.
bool pop_signal(ThreadState& state, std::uint64_t stack_pointer);

}  // namespace holon::ssi
