// SPDX-License-Identifier: GPL-2.0-or-later
//
// The CPUs that threads may use, by their virtual numbers, and what follows from them: on which
// nodes a thread may be, and to which CPUs of a kernel it is bound there. Every thread has a mask
// of its own, inherited from its creator. A thread that is on none of the nodes in its mask moves,
// or the call that gave it the mask has failed; only where it cannot be kept (the process is pinned
// to its home, a node is lost) the mask falls back to all CPUs, as in a kernel whose CPUs go
// offline.
#pragma once

#include "ssi/runtime/calls.h"

namespace holon::ssi::affinity {

/// At the process's preparation: what its only thread may use.
void begin(Thread* thread);
/// sched_getaffinity and sched_setaffinity. `context`: of the trap, in which the calling thread may
/// leave home; null for a deputy, whose body leaves after the answer.
long call(Thread* thread, const CallArgs& call, sys::UContext* context);
/// The same in a process that is not prepared, or is another one's: by the daemon.
long call_of_daemon(const CallArgs& call);

/// All that can be asked for.
CpuMask existing();
/// How many CPUs of the node the thread may use.
std::uint32_t cpus_on(const Thread* thread, std::uint32_t node);
/// The virtual number of the first of them.
std::uint32_t first_cpu_on(const Thread* thread, std::uint32_t node);
/// Where the thread is it may be, or may be everywhere: its mask's node cannot be reached.
void give_up_binding(Thread* thread);
/// Binds the thread, which is at home, to the CPUs there that it may use; a deputy to all.
void bind_at_home(Thread* thread);
/// For thread_state.cpus: see there.
void describe(Thread* thread);
/// A thread whose body has come home and must not be there. Does not return then.
void leave_again(Thread* thread);
/// The calling thread, at home, goes to that node, wherever its mask lets it be; from `context`, or
/// from thread->state with all signals blocked. Returns where it cannot.
void go_to(Thread* thread, std::uint32_t node, const sys::UContext* context);
/// A thread at home was asked to leave (a kick), and is in the program's code: does not return.
void leave_if_asked(Thread* thread, sys::UContext* context);
/// The same where it is in code that it cannot leave from: a moment later.
void leave_later(Thread* thread);
/// In a fork child, which is at home. `first`: of the parent's first thread.
void after_fork(Thread* thread, bool first);
/// The calling thread, the agent, runs on any CPU at home, whatever its creator was bound to.
void unbind_agent();
/// At exec: the vDSO's CPU numbers are the program's.
void number_home_cpus();

/// In a body process: the CPUs of this node in the virtual machine.
void set_local_cpus(std::uint32_t first, std::uint32_t count);
/// In a body process: binds the calling body, which has arrived.
void bind_body(Thread* thread);
/// In a body process: the CPUs of this node that a body may use, by their place, have changed. The
/// agent's thread only.
void rebind_body(std::uint32_t number, const KernelCpus& cpus);
/// In a body process: what rebind_body() had for this body before there was one. The agent's thread
/// only.
void recall_binding(Thread* thread);

}  // namespace holon::ssi::affinity
