// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/departure.h"

#include "ssi/runtime/agent.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/waits.h"

namespace holon::ssi::departure {
namespace {

/// How often is looked whether they sleep on; who sleeps for no longer sleeps at most twice as long
/// as asked.
constexpr std::int64_t period = 20'000'000;
/// ns of CPU time with which a call that has slept is surely over.
constexpr std::uint64_t way_out = 50'000;
constexpr std::int64_t epoll_pwait2 = 441;

Lock looking;          // one at a time
std::uint32_t asleep;  // how many were not asked yet, at most; under `looking`

/// A file of the kernel's about one of this process's threads. Nothing of it: "".
template <std::size_t size>
void read_about(std::int32_t tid, const char* name, char (&into)[size]) {
    char path[64] = "/proc/self/task/";
    std::size_t end = strlen(path);
    char digits[12];
    std::size_t count = 0;
    for (auto rest = static_cast<std::uint32_t>(tid); rest != 0 || count == 0; rest /= 10)
        digits[count++] = static_cast<char>('0' + rest % 10);
    while (count > 0) path[end++] = digits[--count];
    path[end++] = '/';
    memcpy(path + end, name, strlen(name) + 1);
    into[0] = '\0';
    const RoomForDescriptors room;
    const long file = sys::call_with(__NR_openat, -100, path, sys::o_rdonly | sys::o_cloexec, 0);
    if (sys::failed(file)) return;
    const long n = sys::call_with(__NR_read, file, into, size - 1);
    into[n > 0 ? n : 0] = '\0';
    sys::call(__NR_close, file);
}

std::uint64_t decimal(const char*& at) {
    std::uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; ++at) value = value * 10 + static_cast<unsigned>(*at - '0');
    return value;
}

/// " 0x1f"
std::uint64_t hexadecimal(const char*& at) {
    std::uint64_t value = 0;
    if (at[0] == ' ' && at[1] == '0' && at[2] == 'x') at += 3;
    for (;; ++at) {
        if (*at >= '0' && *at <= '9')
            value = value << 4 | static_cast<unsigned>(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            value = value << 4 | static_cast<unsigned>(*at - 'a' + 10);
        else
            return value;
    }
}

/// How often it has begun to wait for something.
std::uint64_t waits_of(const Thread* thread) {
    char text[4096];
    read_about(thread->tid, "status", text);
    constexpr char name[] = "\nvoluntary_ctxt_switches:\t";
    for (const char* at = text; *at != '\0'; ++at)
        if (memcmp(at, name, sizeof name - 1) == 0) return decimal(at += sizeof name - 1);
    return 0;
}

/// Sees what it does. False: it waits for a time, nobody knows since when.
bool may_be_asked(Thread* thread) {
    char text[256];
    read_about(thread->tid, "syscall", text);
    __atomic_store_n(&thread->asked.pc, 0UL, __ATOMIC_RELEASE);
    if (text[0] < '0' || text[0] > '9') {
        // "running", or in no call. One that slept may be about to: where others have the CPU, it
        // is still in its call, which would say that it was interrupted and not that its time is
        // over.
        return !thread->asked.later ||
               cpu_time::on_this_kernel(thread) - thread->asked.used > way_out;
    }
    const char* at = text;
    CallArgs call{static_cast<long>(decimal(at)), {}};
    for (long& argument : call.a) argument = static_cast<long>(hexadecimal(at));
    thread->asked.number = call.number;
    thread->asked.sp = hexadecimal(at);
    __atomic_store_n(&thread->asked.pc, hexadecimal(at), __ATOMIC_RELEASE);
    if (waits::longest(call) <= period) return true;
    // Has it begun since it was looked at last, all of the time is left, or nearly.
    const std::uint64_t waits = waits_of(thread);
    const bool known = thread->asked.waits != 0 && thread->asked.waits != waits;
    thread->asked.waits = waits;
    thread->asked.used = cpu_time::on_this_kernel(thread);
    return known;
}

void send(const Thread* thread) {
    sys::call_with(__NR_tgkill, process.pid, thread->tid, sys::sig_sys);
}

/// Calls that an interruption ends whatever the handler's SA_RESTART says (signal(7)), and that may
/// be made again from the beginning.
bool repeats(std::int64_t number) {
    switch (number) {
        case __NR_nanosleep:
        case __NR_clock_nanosleep:
        case __NR_poll:
        case __NR_ppoll:
        case __NR_select:
        case __NR_pselect6:
        case __NR_epoll_wait:
        case __NR_epoll_pwait:
        case epoll_pwait2:
        case __NR_futex:
        case __NR_pause:
        case __NR_rt_sigsuspend:
        case __NR_rt_sigtimedwait:
        case __NR_msgrcv:
        case __NR_msgsnd:
        case __NR_semop:
        case __NR_semtimedop:
            return true;
        default:
            return false;
    }
}

/// The call before `pc`, if its number can be read off the code: mov $number, %eax; syscall.
std::int64_t number_in_code(std::uint64_t pc) {
    std::uint8_t code[7];
    std::int32_t number;
    if (copy_in(code, pc - sizeof code, sizeof code) != 0 || code[0] != 0xb8 || code[5] != 0x0f ||
        code[6] != 0x05)
        return -1;
    memcpy(&number, code + 1, sizeof number);
    return number;
}

}  // namespace

void ask(Thread* thread) {
    __atomic_store_n(&thread->leaving, 1U, __ATOMIC_RELEASE);
    Holding held(looking);
    thread->asked.waits = 0;
    if (may_be_asked(thread)) return send(thread);
    if (!thread->asked.later) ++asleep;
    thread->asked.later = true;
    agent::wake();
}

std::uint64_t look_again() {
    Holding held(looking);
    if (asleep == 0) return 0;
    asleep = 0;
    for_each_thread([](Thread* thread) {
        if (!thread->asked.later) return;
        // Gone meanwhile, or away.
        const bool waits = __atomic_load_n(&thread->leaving, __ATOMIC_ACQUIRE) != 0;
        thread->asked.later = waits && !may_be_asked(thread);
        if (thread->asked.later)
            ++asleep;
        else if (waits)
            send(thread);
    });
    return asleep != 0 ? static_cast<std::uint64_t>(period) : 0;
}

void forget() {
    looking = Lock{};
    asleep = 0;
}

void repeat_call(const Thread* thread, sys::UContext* context) {
    if (__atomic_load_n(&thread->leaving, __ATOMIC_ACQUIRE) == 0 ||
        context->rax != static_cast<std::uint64_t>(-sys::e_intr))
        return;
    const bool seen = __atomic_load_n(&thread->asked.pc, __ATOMIC_ACQUIRE) == context->rip &&
                      thread->asked.sp == context->rsp;
    // One that it began after it was looked at, and has waited in for no time.
    const std::int64_t number = seen ? thread->asked.number : number_in_code(context->rip);
    if (!repeats(number)) return;
    context->rip -= 2;
    context->rax = static_cast<std::uint64_t>(number);
}

}  // namespace holon::ssi::departure
