// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/policy.h"

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/relocate.h"

namespace holon::ssi::policy {
namespace {

constexpr std::uint64_t window = 100'000'000;  // ns
/// What one event costs the thread that waits for it, ns: measured between two cores of one machine
/// (bench/ssi), where a question to another agent takes `near` at most. Where it takes longer, on a
/// slower network, between emulated machines or where others have the CPUs, so much longer does
/// everything; beyond `far` an agent is in a pause, which says nothing.
/// A page that wanders costs two threads: the one that waits, and the one that loses the page and
/// will want it back. One that leaves its first owner (cold) is the program's data on its way to
/// where it is worked on, which is done when it is there.
constexpr std::uint64_t fault_cost = 250'000, cold_cost = 100'000, call_cost = 50'000;
constexpr std::uint64_t near = 300'000, far = 30'000'000;
/// Windows in a row, for what wanders, and for all: a program that spreads its data does little
/// else for a while (1 GB takes 2 s).
constexpr unsigned patience = 3, patience_with_data = 20;

/// A clear loser is noticed sooner: short windows, in each of which what wanders costs more than
/// all the time that the other nodes' CPUs bring, so many in a row. Measured: programs that gain
/// begin with windows of half of that and less (xz, a matrix product, EP), such that lose have
/// windows of one to three and a half times as much, one after the other.
constexpr std::uint64_t short_window = 20'000'000;  // ns
constexpr unsigned short_patience = 5;

/// Bodies that wait compute nothing, however long: on a slow network, or where others have the CPUs
/// that the woken threads want, there are too few events for their cost to show. So what is lost
/// counts against what the bodies have computed, too, once it is this part of the time.
constexpr std::uint64_t worth_looking = 32;

struct Seen {
    std::uint64_t requests, cold, calls;
};
std::uint64_t calls;
std::uint64_t began;
Seen before;
unsigned bad_windows, windows_with_data;
std::uint64_t computed;  ///< CPU time of bodies when it was last asked for; 0: it was not

/// ns that bodies have computed in this window; in the first that there are any, `most`.
std::uint64_t computed_by_bodies(bool any, std::uint64_t most) {
    if (!any) {
        computed = 0;
        return most;
    }
    const std::uint64_t now = cpu_time::last_of_bodies() + 1;
    const std::uint64_t before_now = computed;
    computed = now;
    cpu_time::ask_all();
    return before_now > 1 && now >= before_now ? now - before_now : most;
}

/// ns of waiting, as long as it is here.
std::uint64_t as_long_as_here(std::uint64_t ns) {
    std::uint64_t question = cpu_time::round_trip();
    if (question <= near) return ns;
    if (question > far) question = far;
    return ns / 1000 * (question / (near / 1000));
}

std::uint64_t lost_in(std::uint64_t wandering, std::uint64_t forwarded) {
    return as_long_as_here(wandering * fault_cost + forwarded * call_cost);
}

std::uint64_t threads_away() {
    std::uint64_t away = 0;
    for (std::uint32_t node = 1; node < process.nodes; ++node) away += process.threads_on[node];
    return away;
}

struct {
    std::uint64_t began;
    Seen before;
    unsigned bad_windows;
} brief;

/// When a short window is over: it, and those before it, say clearly that the program loses.
bool loses_clearly(std::uint64_t now, const Seen& seen) {
    const std::uint64_t length = now - brief.began;
    if (length < short_window) return false;
    const Seen before_it = brief.before;
    const bool fits = brief.began != 0 && length < 2 * short_window &&
                      seen.requests >= before_it.requests && seen.cold >= before_it.cold;
    const std::uint64_t away = threads_away();
    const std::uint64_t wandering =
        seen.requests - before_it.requests - (seen.cold - before_it.cold);
    const bool bad =
        fits && away != 0 && lost_in(wandering, seen.calls - before_it.calls) > length * away;
    brief = {now, seen, bad ? brief.bad_windows + 1 : 0};
    return brief.bad_windows == short_patience;
}

}  // namespace

void count_call() { __atomic_add_fetch(&calls, 1UL, __ATOMIC_RELAXED); }

bool judge(std::uint64_t now, const dsm::Counters& counters) {
    const bool may_be_taken = (process.flags & Parameters::spread) == 0;
    const Seen seen{counters.requests, counters.cold_requests,
                    __atomic_load_n(&calls, __ATOMIC_RELAXED)};
    const bool clear = loses_clearly(now, seen);
    if (now - began < window) return clear && may_be_taken;
    const std::uint64_t length = now - began;
    const std::uint64_t away = threads_away();
    const std::uint64_t cold = seen.cold - before.cold;
    const std::uint64_t wandering = seen.requests - before.requests - cold;
    const std::uint64_t lost = lost_in(wandering, seen.calls - before.calls);
    if ((process.flags & Parameters::trace) != 0) {
        trace("window: ms, requests, calls", length / 1'000'000, seen.requests - before.requests,
              seen.calls - before.calls);
        trace("of the requests cold, and a question takes us", cold, cpu_time::round_trip() / 1000);
    }
    // In a fork child all is counted anew.
    const bool fits = away != 0 && began != 0 && length < 2 * window &&
                      seen.requests >= before.requests && seen.cold >= before.cold;
    const std::uint64_t brought = computed_by_bodies(fits, length * away);
    const bool worth = lost * worth_looking > length * away;
    const bool bad = fits && (lost * 2 > length * away || (worth && lost > brought));
    const bool bad_with_data =
        fits && (lost + as_long_as_here(cold * cold_cost)) * 2 > length * away;
    if (observe::on()) observe::judged(bad);
    began = now;
    before = seen;
    bad_windows = bad ? bad_windows + 1 : 0;
    windows_with_data = bad_with_data ? windows_with_data + 1 : 0;
    return (clear || bad_windows == patience || windows_with_data == patience_with_data) &&
           may_be_taken;
}

namespace {

const char* reason;
bool to_be_told;
std::uint32_t homecomings;

[[noreturn]] void caretaker(void* argument) {
    adopt(static_cast<Thread*>(argument));
    recall_all(reason);
    wait_for_all();
    disarm();
    if (__atomic_exchange_n(&to_be_told, false, __ATOMIC_ACQ_REL)) relocate::at_home();
    leave_thread();
}

}  // namespace

void came_for_memory(Thread* thread) {
    if (affinity::cpus_on(thread, 0) == 0) {
        const CpuMask all = affinity::existing();
        Holding held(process.thread_lock);
        thread->allowed = all;
    }
    // A program most of whose threads need it gains nothing from leaving again and again.
    constexpr std::uint32_t some = 8;
    const std::uint32_t count = __atomic_add_fetch(&homecomings, 1U, __ATOMIC_RELAXED);
    if (count < some || count * 2 < process.next_number ||
        (process.flags & Parameters::spread) != 0 || process.pinned)
        return;
    if (count == some || count % 64 == 0) take_home("shared-memory");
}

void take_home(const char* why, bool tell) {
    __atomic_store_n(&reason, why, __ATOMIC_RELEASE);
    if (tell) __atomic_store_n(&to_be_told, true, __ATOMIC_RELEASE);
    Thread* thread = new_thread();
    if (!thread) return;
    thread->number = ~0U;
    const long tid =
        ssi_clone_thread(sys::clone_vm | sys::clone_fs | sys::clone_files | sys::clone_sighand |
                             sys::clone_thread | sys::clone_sysvsem,
                         reinterpret_cast<void*>(thread->stack_top), 0, 0, 0, caretaker, thread);
    if (sys::failed(tid)) __atomic_store_n(&thread->occupied, 0, __ATOMIC_RELEASE);
}

}  // namespace holon::ssi::policy
