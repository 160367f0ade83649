// SPDX-License-Identifier: GPL-2.0-or-later
//
// The program's signals. At home the kernel delivers them: to home threads as always, to a deputy
// on behalf of its body. The kernel knows one handler for all (entry.S, ssi_home_signal), which
// goes on to the program's own, or, in a deputy, keeps the signal until it can be passed to the
// body's node.
//
// A deputy's kernel mask is its body's: the body tells it with every call, and by itself when the
// mask changes otherwise. So the kernel chooses among threads as it would without the engine.
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi {

/// Once, at preparation: the handlers that the program has already.
void adopt_handlers();

/// rt_sigaction as the program means it.
long signal_action(long signo, std::uint64_t action, std::uint64_t old, long size);

/// What the program does about a signal: handler, flags, mask as it gave them.
sys::SigAction program_action(long signo);

/// In a fork child: nobody else changes an action.
void release_actions();

/// Deputy: from now on the kernel's mask for it is its body's.
void set_deputy_mask(Thread* thread, std::uint64_t mask);
/// Deputy: sends what has come to its body's node. Not under any lock.
void pass_signals(Thread* thread);

/// Body's node: a signal has come for that thread. The agent's thread only.
void receive_signal(std::uint32_t number, const PendingSignal& signal);
/// Body's node: what came for the thread before it did, on the other connection. The agent's thread
/// only, before the body begins.
void take_early_signals(Thread* thread);
/// Body: turns `context` into the entry of the handlers of all signals that may be delivered now.
/// False: there is none.
bool deliver_signals(Thread* thread, sys::UContext* context);
/// Body: signals have come that it has not looked at.
bool unseen_signals(const Thread* thread);
/// Body: calls that wait for signals or ask for them, answered by those that are kept here already.
/// `waiting`: of the call's own mask, signals that it lets through come first (-EINTR).
std::uint64_t kept_signals(const Thread* thread);
/// Body: the first signal of the set that is kept here. False: none is.
bool take_kept_signal(Thread* thread, std::uint64_t set, sys::SigInfo& info);
/// Body: those of the set are delivered whatever the mask.
void force_kept_signals(Thread* thread, std::uint64_t set);
/// Deputy: the body has come home or ended, having taken signals up to number `taken`. Those that
/// it never saw come again to this thread; of a thread that ended, to the process, but for those
/// that tgkill(2) sent to the thread. What the kernel sent says then that it was queued (SI_QUEUE).
void return_signals(Thread* thread, std::uint32_t taken, bool ended);

}  // namespace holon::ssi
