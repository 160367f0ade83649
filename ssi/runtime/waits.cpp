// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/waits.h"

#include "ssi/runtime/clock.h"

namespace holon::ssi::waits {
namespace {

constexpr std::int64_t second = 1'000'000'000, millisecond = 1'000'000;
constexpr long epoll_pwait2 = 441;
constexpr long futex_command = 0x7f, futex_wait = 0;  // the others wait until a point in time

/// Where such a call has its time: an argument that is milliseconds, or points to a timespec.
struct Kind {
    unsigned argument;
    bool points;
};

/// False: it is none, or waits until a point in time, or for ever.
bool kind_of(const CallArgs& call, Kind& kind) {
    switch (call.number) {
        case __NR_nanosleep:
            kind = {0, true};
            return call.a[0] != 0;
        case __NR_clock_nanosleep:
            kind = {2, true};
            return call.a[1] == 0 && call.a[2] != 0;
        case __NR_futex:
            kind = {3, true};
            return (call.a[1] & futex_command) == futex_wait && call.a[3] != 0;
        case __NR_rt_sigtimedwait:
            kind = {2, true};
            return call.a[2] != 0;
        case __NR_semtimedop:
        case epoll_pwait2:
            kind = {3, true};
            return call.a[3] != 0;
        case __NR_poll:
            kind = {2, false};
            break;
        case __NR_epoll_wait:
        case __NR_epoll_pwait:
            kind = {3, false};
            break;
        default:
            return false;
    }
    return static_cast<std::int32_t>(call.a[kind.argument]) > 0;
}

std::uint64_t& place_of(sys::UContext& context, unsigned argument) {
    return argument == 0 ? context.rdi : argument == 2 ? context.rdx : context.r10;
}

}  // namespace

std::int64_t longest(const CallArgs& call) {
    Kind kind;
    if (!kind_of(call, kind)) return 0;
    return kind.points ? unknown : static_cast<std::int32_t>(call.a[kind.argument]) * millisecond;
}

void begin(Thread* thread, const CallArgs& call) {
    Kind kind;
    thread->wait.left = 0;
    if (kind_of(call, kind)) thread->wait.began = agent_clock();
}

void given_up(Thread* thread, const CallArgs& call) {
    Kind kind;
    if (!kind_of(call, kind)) return;
    std::int64_t left = static_cast<std::int32_t>(call.a[kind.argument]) * millisecond;
    if (kind.points) {
        std::int64_t time[2];
        if (copy_in(time, static_cast<std::uint64_t>(call.a[kind.argument]), sizeof time) != 0 ||
            time[0] < 0 || time[0] > (1L << 32) || time[1] < 0 || time[1] >= second)
            return;
        left = time[0] * second + time[1];
    }
    left -= static_cast<std::int64_t>(agent_clock() - thread->wait.began);
    thread->wait.left = left > 1 ? left : 1;
    thread->wait.number = call.number;
    thread->wait.argument = static_cast<std::uint64_t>(call.a[kind.argument]);
}

void go_on(Thread* thread) {
    const std::int64_t left = thread->wait.left;
    if (left == 0) return;
    thread->wait.left = 0;
    sys::UContext& context = thread->state.context;
    const CallArgs call{static_cast<long>(context.rax),
                        {static_cast<long>(context.rdi), static_cast<long>(context.rsi),
                         static_cast<long>(context.rdx), static_cast<long>(context.r10)}};
    Kind kind;
    // Not where a handler comes first: then the call is made for the whole time.
    if (call.number != thread->wait.number || !kind_of(call, kind)) return;
    std::uint64_t& place = place_of(context, kind.argument);
    if (place != thread->wait.argument) return;
    if (!kind.points) {
        place = static_cast<std::uint64_t>((left + millisecond - 1) / millisecond);
        return;
    }
    thread->wait.rest[0] = left / second;
    thread->wait.rest[1] = left % second;
    place = reinterpret_cast<std::uint64_t>(thread->wait.rest);
}

}  // namespace holon::ssi::waits
