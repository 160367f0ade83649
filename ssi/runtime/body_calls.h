// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "ssi/runtime/channel.h"

namespace holon::ssi {

/// Calls that need no home: time, the CPU's number. True: answered.
bool local_call(const Call& call, long& result);

/// rt_sigreturn of a body: goes on where the frame on the program's stack says.
[[noreturn]] void body_sigreturn(Thread* thread, const sys::UContext* context);

/// SIGSEGV and its kin raised by the program's own code in a body.
void body_fault(Thread* thread, int signo, const sys::SigInfo& info, sys::UContext* context);

/// Asks the deputy what the program does about a signal its body raised; `call` is call_fault. Does
/// not return where that is the program's end.
void fetch_action(Thread* thread, const Call& call, sys::SigAction& action);

/// The deputy must know the body's signal mask before the program goes on.
void tell_mask(Thread* thread, std::uint64_t mask);

/// Goes on at `context` with the kernel's alternate stack set to `stack`.
[[noreturn]] void leave_on_runtime_stack(Thread* thread, const sys::UContext& context,
                                         const sys::StackT& stack);

/// A new body, which receives its state on `channel`. Its thread id here, or -errno. The agent's
/// thread only.
long start_body_thread(int channel, std::uint32_t number);

}  // namespace holon::ssi
