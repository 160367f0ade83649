// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/child_time.h"

#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/layout.h"

namespace holon::ssi::child_time {
namespace {

constexpr long rusage_children = -1;
constexpr std::uint64_t tick = 10'000'000;  // USER_HZ is 100
constexpr std::size_t minor_faults = 4;     // in Rusage::rest
constexpr std::uint64_t red_zone = 128;     // below the stack pointer, the program's

/// As in affinity.cpp: calls that the daemon answers, from where no signal may come. What `child`,
/// which was waited for last, has used; 0: all children.
void ask_daemon(long child, std::uint64_t (&more)[2]) {
    constexpr long call_on = static_cast<long>(layout::range_begin);
    const std::uint64_t all = ~0UL;
    std::uint64_t before;
    map_notified_page();
    sys::call_with(__NR_rt_sigprocmask, 2, &all, &before, 8);
    for (long which = 0; which < 2; ++which) {
        const long args[6] = {rusage_children, which, child, 0, call_on, 0};
        const long used = ssi_notified(__NR_getrusage, args);
        more[which] = sys::failed(used) ? 0 : static_cast<std::uint64_t>(used);
    }
    sys::call_with(__NR_rt_sigprocmask, 2, &before, 0, 8);
}

/// What the kernel knows, and more of it where a child may have used more.
long of_children(cpu_time::Rusage& usage, std::uint64_t (&more)[2]) {
    more[0] = more[1] = 0;
    const long result = sys::call_with(__NR_getrusage, rusage_children, &usage);
    // Every process has faults: without any no child has ended.
    if (!sys::failed(result) && usage.rest[minor_faults] != 0) ask_daemon(0, more);
    return result;
}

}  // namespace

long usage(const CallArgs& call) {
    cpu_time::Rusage usage;
    std::uint64_t more[2];
    const long result = of_children(usage, more);
    if (sys::failed(result)) return result;
    cpu_time::add(usage.user, more[0]);
    cpu_time::add(usage.system, more[1]);
    return copy_out(static_cast<std::uint64_t>(call.a[1]), &usage, sizeof usage) == 0
               ? 0
               : -sys::e_fault;
}

bool any_ended() {
    cpu_time::Rusage usage;
    return !sys::failed(sys::call_with(__NR_getrusage, rusage_children, &usage)) &&
           usage.rest[minor_faults] != 0;
}

long times(const CallArgs& call, std::uint64_t user, std::uint64_t system) {
    std::int64_t ticks[4];
    const long result = sys::call_with(__NR_times, ticks);
    if (call.a[0] == 0) return result;
    cpu_time::Rusage usage;
    std::uint64_t more[2];
    of_children(usage, more);
    const std::uint64_t elsewhere[4] = {user, system, more[0], more[1]};
    for (int i = 0; i < 4; ++i) ticks[i] += static_cast<std::int64_t>(elsewhere[i] / tick);
    return copy_out(static_cast<std::uint64_t>(call.a[0]), ticks, sizeof ticks) == 0
               ? result
               : -sys::e_fault;
}

bool is_wait(const CallArgs& call) {
    return (call.number == __NR_wait4 && call.a[3] != 0) ||
           (call.number == __NR_waitid && call.a[4] != 0);
}

void make_wait(sys::UContext* context, long number, std::uint64_t after) {
    context->rsp -= red_zone;
    auto* top = reinterpret_cast<std::uint64_t*>(context->rsp);
    *--top = after;
    *--top = static_cast<std::uint64_t>(number);
    context->rsp = reinterpret_cast<std::uint64_t>(top);
    context->rax = static_cast<std::uint64_t>(number);
    context->rip = reinterpret_cast<std::uint64_t>(ssi_child_wait);
}

void take_back_wait(sys::UContext* context) {
    const bool given_up = context->rip == reinterpret_cast<std::uint64_t>(ssi_child_wait_done) &&
                          context->rax == static_cast<std::uint64_t>(-sys::e_intr);
    if (context->rip != reinterpret_cast<std::uint64_t>(ssi_child_wait) && !given_up) return;
    const auto* top = reinterpret_cast<const std::uint64_t*>(context->rsp);
    context->rip = given_up ? top[1] : top[1] - 2;
    if (!given_up) context->rax = top[0];
    context->rsp += 2 * sizeof *top + red_zone;
}

void waited(const CallArgs& call, long result) {
    if (sys::failed(result) || !is_wait(call)) return;
    std::int32_t child = static_cast<std::int32_t>(result);
    std::uint64_t at = static_cast<std::uint64_t>(call.a[3]);
    if (call.number == __NR_waitid) {
        constexpr std::uint64_t si_pid = 16;
        at = static_cast<std::uint64_t>(call.a[4]);
        if (call.a[2] == 0 ||
            copy_in(&child, static_cast<std::uint64_t>(call.a[2]) + si_pid, sizeof child) != 0)
            return;
    }
    if (child <= 0) return;
    std::uint64_t more[2];
    ask_daemon(child, more);
    cpu_time::Timeval used[2];
    if ((more[0] | more[1]) == 0 || copy_in(used, at, sizeof used) != 0) return;
    cpu_time::add(used[0], more[0]);
    cpu_time::add(used[1], more[1]);
    copy_out(at, used, sizeof used);
}

}  // namespace holon::ssi::child_time

using namespace holon::ssi;

/// The registers that ssi_child_wait has kept, in its order.
struct Kept {
    long r9, r8, r10, rdx, rsi, rdi, result;
};

extern "C" void child_waited(const Kept* kept, long number) {
    child_time::waited({number, {kept->rdi, kept->rsi, kept->rdx, kept->r10, kept->r8, kept->r9}},
                       kept->result);
}
