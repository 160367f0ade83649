// SPDX-License-Identifier: GPL-2.0-or-later
//
// CPU time of a process whose threads are on several nodes: what its kernel at home knows, and what
// the body processes have used, which is asked for when the program asks. A thread takes what it
// has used elsewhere along when it moves.
#pragma once

#include "ssi/runtime/calls.h"
#include "ssi/runtime/channel.h"

namespace holon::ssi::cpu_time {

/// Payload of wire::Type::cpu_time, ns.
struct Used {
    std::uint64_t user, system;  ///< of the body process
    std::uint64_t thread;        ///< of the thread asked for, wherever it was; 0: it is not there
    std::uint64_t agent;         ///< of `user` and `system`: the agent's
};

struct Timeval {
    std::int64_t seconds, microseconds;
};
struct Rusage {
    Timeval user, system;
    std::int64_t rest[14];
};
static_assert(sizeof(Rusage) == 144);

/// `more` is ns.
void add(Timeval& time, std::uint64_t more);

/// True: the call is about CPU time, and answered. At home, for the calling thread or the body of a
/// deputy.
bool call(Thread* thread, const CallArgs& call, long& result);
/// The process is about to end: the daemon is told what its parents shall know. By no thread that
/// holds a lock.
void report();
/// In a body: what is known there.
bool body_call(Thread* thread, const Call& call, long& result);
/// In a body process: the vDSO asks for clocks of CPU time like a program.
void serve_vdso();

/// ns that a thread which is on this kernel has used here.
std::uint64_t on_this_kernel(const Thread* thread);
/// ns that the calling thread has used so far, on all nodes.
std::uint64_t of_thread(const Thread* thread);
/// Under way to this kernel, or from it: `state_used` is what it has used, on all nodes.
void arrive(Thread* thread, std::uint64_t state_used);

/// Before the connections to body processes are closed: what they have used is kept.
void collect();
/// Nobody waits for that node any more. Under the space lock.
void closed(std::uint32_t node);
/// Asks all nodes, without waiting. Under the space lock.
void ask_all();
/// ns that a question to the node that is slowest now takes, there and back through the agents: the
/// shortest of each node's last two to four, for one may fall into a pause. 0: not known yet. Under
/// the space lock.
std::uint64_t round_trip();
/// ns that this process has used there, as far as is known. Under the space lock.
std::uint64_t last_of(std::uint32_t node);
/// ns that the program's threads have used on all other nodes, as far as is known. Under the space
/// lock.
std::uint64_t last_of_bodies();
/// In a fork child: nothing has been used.
void forget(Thread* thread);

/// Agent's: an answer has come, at home. False: it is none.
bool heard(std::uint32_t node, const wire::Frame& frame, const void* payload);
/// Agent's: answers the home.
void answer(const wire::Frame& frame);

}  // namespace holon::ssi::cpu_time
