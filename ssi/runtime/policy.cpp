// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/policy.h"

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/recall.h"

namespace holon::ssi::policy {
namespace {

constexpr std::uint64_t window = 100'000'000;  // ns
/// What one event costs the thread that waits for it, ns: measured between two cores of one machine
/// (bench/ssi); a slower network makes the verdict milder than it should be, never harsher.
/// A fault costs two threads: the one that waits, and the one that loses the page and will want it
/// back.
constexpr std::uint64_t fault_cost = 250'000, call_cost = 50'000;
/// Windows in a row: a program that spreads its data has one or two bad ones (100 MB take 0.3 s).
constexpr unsigned patience = 3;

std::uint64_t calls;
std::uint64_t began, requests_before, calls_before;
unsigned bad_windows;

}  // namespace

void count_call() { __atomic_add_fetch(&calls, 1UL, __ATOMIC_RELAXED); }

bool judge(std::uint64_t now, std::uint64_t requests) {
    if (now - began < window) return false;
    const std::uint64_t length = now - began;
    const std::uint64_t calls_now = __atomic_load_n(&calls, __ATOMIC_RELAXED);
    std::uint64_t away = 0;
    for (std::uint32_t node = 1; node < process.nodes; ++node) away += process.threads_on[node];
    const std::uint64_t lost =
        (requests - requests_before) * fault_cost + (calls_now - calls_before) * call_cost;
    if ((process.flags & Parameters::trace) != 0)
        trace("window: ms, requests, calls", length / 1'000'000, requests - requests_before,
              calls_now - calls_before);
    const bool bad = away != 0 && began != 0 && length < 2 * window && lost * 2 > length * away;
    if (observe::on()) observe::judged(bad);
    began = now;
    requests_before = requests;
    calls_before = calls_now;
    bad_windows = bad ? bad_windows + 1 : 0;
    return bad_windows == patience && (process.flags & Parameters::spread) == 0;
}

namespace {

const char* reason;
std::uint32_t homecomings;

[[noreturn]] void caretaker(void* argument) {
    adopt(static_cast<Thread*>(argument));
    recall_all(reason);
    wait_for_all();
    disarm();
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

void take_home(const char* why) {
    __atomic_store_n(&reason, why, __ATOMIC_RELEASE);
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
