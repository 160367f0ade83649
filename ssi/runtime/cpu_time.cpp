// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/cpu_time.h"

#include "ssi/runtime/child_time.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/memory.h"
#include "ssi/runtime/process.h"
#include "ssi/vdso/vdso_data.h"

namespace holon::ssi::cpu_time {
namespace {

constexpr long monotonic_clock = 1, process_clock = 2, thread_clock = 3;
constexpr long rusage_children = -1, rusage_self = 0, rusage_thread = 1;
constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t no_thread = ~0UL;

struct Timespec {
    std::int64_t seconds, nanoseconds;
};

struct Node {
    Used last;             ///< under the space lock
    std::uint32_t asked;   ///< under the space lock
    std::uint64_t thread;  ///< under the space lock: the last answer about a thread
    Sequence answered;
    std::uint64_t asked_at;  ///< under the space lock: by ask_all(), not answered yet; or 0
    std::uint64_t took[4];  ///< under the space lock: the last questions; 0: there were not so many
    unsigned next_took;
};
Node nodes[max_nodes];
Used ended;   ///< of body processes that are no more; under the space lock
Lock asking;  ///< one question at a time: `thread` is its answer
std::uint64_t reported_user, reported_system;  ///< to the daemon; under `reporting`
Lock reporting;

std::uint64_t local_clock(long clock) {
    Timespec time{};
    sys::call_with(__NR_clock_gettime, clock, &time);
    return static_cast<std::uint64_t>(time.seconds) * second +
           static_cast<std::uint64_t>(time.nanoseconds);
}

/// The clock of a thread, by its number on this kernel.
long clock_of(std::int32_t tid) {
    return static_cast<long>(~static_cast<std::int64_t>(tid)) * 8 + 6;
}

std::uint64_t nanoseconds(const Timeval& time) {
    return static_cast<std::uint64_t>(time.seconds) * second +
           static_cast<std::uint64_t>(time.microseconds) * 1000;
}

/// What all body processes have used, and the thread on `node` if one is asked for. By no thread
/// that holds a lock, and not the agent's.
Used elsewhere(std::uint32_t node_asked = 0, std::uint64_t number = no_thread, bool soon = false) {
    Holding one(asking);
    std::uint32_t target[max_nodes] = {};
    {
        Holding holding(memory::lock());
        for (std::uint32_t node = 1; node < process.nodes && process.armed; ++node) {
            if (!process.body_on[node]) continue;
            target[node] = ++nodes[node].asked;
            nodes[node].thread = 0;
            const wire::Frame frame{0,
                                    wire::Type::ask_cpu_time,
                                    0,
                                    target[node],
                                    node == node_asked ? number : no_thread,
                                    0};
            memory::link(node).send(frame, nullptr);
        }
    }
    for (std::uint32_t node = 1; node < max_nodes; ++node) {
        if (target[node] == 0) continue;
        if (soon)
            nodes[node].answered.wait_soon_for(target[node]);
        else
            nodes[node].answered.wait_for(target[node]);
    }
    Holding holding(memory::lock());
    Used sum = ended;
    for (std::uint32_t node = 1; node < max_nodes; ++node) {
        sum.user += nodes[node].last.user;
        sum.system += nodes[node].last.system;
    }
    sum.thread = nodes[node_asked].thread;
    return sum;
}

bool none_elsewhere() { return !process.armed && ended.user == 0 && ended.system == 0; }

std::uint64_t of_other(const Thread* target) {
    if (target->node == 0) return local_clock(clock_of(target->tid)) + target->used_elsewhere;
    return elsewhere(target->node, target->number).thread;
}

/// Which clock of the kernel's a number means: process_clock, thread_clock with `target`, or -1:
/// none that is made here.
long meaning(Thread* caller, long number, Thread*& target) {
    const auto clock = static_cast<std::int32_t>(number);
    target = caller;
    if (clock == process_clock || clock == thread_clock) return clock;
    if (clock >= 0 || (clock & 3) != 2) return -1;
    const std::int32_t id = ~(clock >> 3);
    if ((clock & 4) == 0) return id == 0 || id == process.pid ? process_clock : -1;
    if (id != 0) target = find_thread_by_tid(id);
    return target != nullptr ? thread_clock : -1;
}

bool clock_call(Thread* thread, const CallArgs& call, long& result) {
    Thread* target = nullptr;
    const long clock = meaning(thread, call.a[0], target);
    if (clock < 0) return false;
    std::uint64_t used = 0;
    if (clock == process_clock) {
        used = local_clock(process_clock);
        const Used more = elsewhere();
        used += more.user + more.system;
    } else {
        used = of_other(target);
    }
    const Timespec time{static_cast<std::int64_t>(used / second),
                        static_cast<std::int64_t>(used % second)};
    result = copy_out(static_cast<std::uint64_t>(call.a[1]), &time, sizeof time);
    return true;
}

}  // namespace

void add(Timeval& time, std::uint64_t more) {
    const std::uint64_t sum = nanoseconds(time) + more;
    time = {static_cast<std::int64_t>(sum / second),
            static_cast<std::int64_t>(sum % second / 1000)};
}

void report() {
    if (none_elsewhere()) return;
    Holding one(reporting);
    const Used used = elsewhere(0, no_thread, true);
    if (used.user > reported_user || used.system > reported_system)
        report_used(used.user - reported_user, used.system - reported_system);
    reported_user = used.user;
    reported_system = used.system;
}

bool call(Thread* thread, const CallArgs& call, long& result) {
    if (call.number == __NR_getrusage && static_cast<std::int32_t>(call.a[0]) == rusage_children) {
        result = child_time::usage(call);
        return true;
    }
    const bool about = call.number == __NR_clock_gettime || call.number == __NR_getrusage ||
                       call.number == __NR_times;
    // A vfork child's time is its own.
    if (!about || thread->number == ~0U) return false;
    if (none_elsewhere() && thread->used_elsewhere == 0 &&
        (call.number != __NR_times || !child_time::any_ended()))
        return false;
    if (call.number == __NR_clock_gettime) return clock_call(thread, call, result);
    if (call.number == __NR_getrusage) {
        if (call.a[0] != rusage_self && call.a[0] != rusage_thread) return false;
        Rusage usage;
        result = sys::call_with(__NR_getrusage, call.a[0], &usage);
        if (call.a[0] == rusage_self) {
            const Used more = elsewhere();
            add(usage.user, more.user);
            add(usage.system, more.system);
        } else {
            add(usage.user, thread->used_elsewhere);
        }
        result = copy_out(static_cast<std::uint64_t>(call.a[1]), &usage, sizeof usage);
        return true;
    }
    const Used more = elsewhere();
    result = child_time::times(call, more.user, more.system);
    return true;
}

bool body_call(Thread* thread, const Call& call, long& result) {
    const auto out = static_cast<std::uint64_t>(call.args[1]);
    if (call.number == __NR_clock_gettime) {
        const auto clock = static_cast<std::int32_t>(call.args[0]);
        if (clock != thread_clock && clock != -2 && clock != clock_of(thread->tid)) return false;
        const std::uint64_t used = of_thread(thread);
        const Timespec time{static_cast<std::int64_t>(used / second),
                            static_cast<std::int64_t>(used % second)};
        result = copy_out(out, &time, sizeof time);
        return true;
    }
    if (call.number != __NR_getrusage || call.args[0] != rusage_thread) return false;
    Rusage usage;
    sys::call_with(__NR_getrusage, rusage_thread, &usage);
    add(usage.user, thread->used_elsewhere);
    result = copy_out(out, &usage, sizeof usage);
    return true;
}

namespace {

/// Called by the vDSO on the program's stack: a call from outside the range is the program's own.
int ask_as_program(int clock, vdso::Timespec* time) {
    const long args[6] = {clock, reinterpret_cast<long>(time)};
    return static_cast<int>(ssi_notified(__NR_clock_gettime, args));
}

}  // namespace

void serve_vdso() {
    reinterpret_cast<vdso::VdsoData*>(vdso::data_address)->forward = &ask_as_program;
}

std::uint64_t on_this_kernel(const Thread* thread) {
    return local_clock(clock_of(thread->local_tid));
}

std::uint64_t of_thread(const Thread* thread) {
    return local_clock(thread_clock) + thread->used_elsewhere;
}

void arrive(Thread* thread, std::uint64_t state_used) {
    const std::uint64_t here = local_clock(thread_clock);
    thread->used_elsewhere = state_used > here ? state_used - here : 0;
}

void collect() { elsewhere(); }

void closed(std::uint32_t node) {
    ended.user += nodes[node].last.user;
    ended.system += nodes[node].last.system;
    nodes[node].last = Used{};
    nodes[node].asked_at = 0;
    for (std::uint64_t& took : nodes[node].took) took = 0;
    nodes[node].answered.advance(nodes[node].asked - nodes[node].answered.now());
}

void ask_all() {
    for (std::uint32_t node = 1; node < process.nodes && process.armed; ++node) {
        if (!process.body_on[node]) continue;
        Node& asked = nodes[node];
        // Only alone on its way it tells how long it takes.
        if (asked.asked_at == 0 && asked.answered.now() == asked.asked)
            asked.asked_at = local_clock(monotonic_clock);
        const wire::Frame frame{0, wire::Type::ask_cpu_time, 0, ++asked.asked, no_thread, 0};
        memory::link(node).send(frame, nullptr);
    }
}

std::uint64_t round_trip() {
    std::uint64_t slowest = 0;
    for (std::uint32_t node = 1; node < process.nodes; ++node) {
        if (!process.body_on[node]) continue;
        std::uint64_t least = ~0UL;
        unsigned known = 0;
        for (const std::uint64_t took : nodes[node].took) {
            if (took == 0) continue;
            ++known;
            if (took < least) least = took;
        }
        if (known > 1 && least > slowest) slowest = least;
    }
    return slowest;
}

std::uint64_t last_of(std::uint32_t node) {
    if (node == 0) return local_clock(process_clock);
    return nodes[node].last.user + nodes[node].last.system;
}

std::uint64_t last_of_bodies() {
    std::uint64_t sum = 0;
    for (std::uint32_t node = 1; node < max_nodes; ++node)
        sum += nodes[node].last.user + nodes[node].last.system - nodes[node].last.agent;
    return sum;
}

void forget(Thread* thread) {
    ended = Used{};
    asking = reporting = Lock{};
    reported_user = reported_system = 0;
    for (Node& node : nodes) node = Node{};
    thread->used_elsewhere = 0;
}

bool heard(std::uint32_t node, const wire::Frame& frame, const void* payload) {
    if (frame.type != wire::Type::cpu_time) return false;
    Used used;
    if (frame.length != sizeof used) die("a node sent a broken CPU time");
    memcpy(&used, payload, sizeof used);
    Node& from = nodes[node];
    from.last = used;
    if (from.asked_at != 0) {
        from.took[from.next_took++ % 4] = local_clock(monotonic_clock) - from.asked_at;
        from.asked_at = 0;
    }
    // An answer that is about no thread may come before the last about one was read.
    if (used.thread != 0) from.thread = used.thread;
    // Each question is answered once, in order.
    if (from.answered.now() != from.asked) from.answered.advance();
    return true;
}

void answer(const wire::Frame& frame) {
    const std::uint64_t agent = local_clock(thread_clock);
    Rusage usage;
    sys::call_with(__NR_getrusage, rusage_self, &usage);
    Used used{nanoseconds(usage.user), nanoseconds(usage.system), 0, agent};
    if (frame.b != no_thread)
        if (const Thread* thread = find_thread(static_cast<std::uint32_t>(frame.b)))
            used.thread = local_clock(clock_of(thread->local_tid)) + thread->used_elsewhere;
    const wire::Frame reply{sizeof used, wire::Type::cpu_time, 0, frame.a, 0, 0};
    memory::link(0).send(reply, &used);
}

}  // namespace holon::ssi::cpu_time
