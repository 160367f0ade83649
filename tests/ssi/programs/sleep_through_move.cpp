// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that sleep, or wait for some time, are bound to another CPU meanwhile: that neither ends
// what they wait in nor makes the time longer.
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>

#include <csignal>

#include "futex.h"

namespace {
constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t whole = 3 * second, half = whole / 2, too_long = whole + half - second / 10;
/// Time is read where the thread is, by clocks of two machines that are compared once a second.
constexpr std::int64_t too_short = whole - second / 4;
constexpr timespec length{3, 0};
constexpr int milliseconds = 3000;
constexpr const char* kinds[] = {"nanosleep", "clock_nanosleep", "to a time", "poll",
                                 "ppoll",     "select",          "pselect",   "epoll_wait",
                                 "futex",     "futex to a time", "sigwait",   "semtimedop"};
constexpr int count = 2 * int(sizeof kinds / sizeof *kinds);  // two of each, side by side
int waiting;
int semaphores;
std::int64_t took[count];

bool timed_out(long result, int with) { return result == -1 && errno == with; }

void wait_in(int number) {
    const int epoll = epoll_create1(0);
    epoll_event event;
    std::uint32_t word = 0;
    timeval as_timeval{3, 0};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sembuf take{0, -1, 0};
    bool right = false;
    add(waiting, 1);
    const std::int64_t begin = now(), end = begin + whole;
    const timespec until{end / second, end % second};
    switch (number / 2) {
        case 0:
            right = nanosleep(&length, nullptr) == 0;
            break;
        case 1:
            right = clock_nanosleep(CLOCK_MONOTONIC, 0, &length, nullptr) == 0;
            break;
        case 2:
            right = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == 0;
            break;
        case 3:
            right = poll(nullptr, 0, milliseconds) == 0;
            break;
        case 4:
            right = ppoll(nullptr, 0, &length, nullptr) == 0;
            break;
        case 5:
            right = select(0, nullptr, nullptr, nullptr, &as_timeval) == 0;
            break;
        case 6:
            right = pselect(0, nullptr, nullptr, nullptr, &length, nullptr) == 0;
            break;
        case 7:
            right = epoll_wait(epoll, &event, 1, milliseconds) == 0;
            break;
        case 8:
            right = timed_out(futex(&word, FUTEX_WAIT_PRIVATE, 0, &length), ETIMEDOUT);
            break;
        case 9:
            right = timed_out(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, nullptr, 1),
                              ETIMEDOUT);
            break;
        case 10:
            right = timed_out(sigtimedwait(&signals, nullptr, &length), EAGAIN);
            break;
        default:
            right = timed_out(semtimedop(semaphores, &take, 1, &length), EAGAIN);
            break;
    }
    took[number] = now() - begin;
    if (!right) std::printf("%s: %s\n", kinds[number / 2], std::strerror(errno));
    close(epoll);
}

/// All of them, bound to that CPU when half of the time has gone by.
void round(const char* name, int cpu) {
    Thread<void (*)(int)> threads[count];
    void (*const body)(int) = wait_in;
    set(waiting, 0);
    for (int i = 0; i < count; ++i) threads[i].start(body, i);
    MUST(becomes([] { return get(waiting) == count; }));
    const timespec middle{half / second, half % second};
    MUST(nanosleep(&middle, nullptr) == 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    for (auto& thread : threads) MUST(pthread_setaffinity_np(thread.id(), sizeof one, &one) == 0);
    for (auto& thread : threads) thread.join();
    for (int i = 0; i < count; ++i) {
        std::fprintf(stderr, "%s, %s: %ld ms\n", name, kinds[i / 2], long(took[i] / 1'000'000));
        std::printf("%s, %s: %s\n", name, kinds[i / 2],
                    took[i] < too_short  ? "short"
                    : took[i] > too_long ? "long"
                                         : "right");
    }
}
}  // namespace

int main() {
    cpu_set_t all;
    MUST(sched_getaffinity(0, sizeof all, &all) == 0);
    int first = 0, last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(first, &all)) ++first;
    while (!CPU_ISSET(last, &all)) --last;
    semaphores = semget(IPC_PRIVATE, 1, 0600);
    MUST(semaphores >= 0);
    round("to the first", first);
    round("to the last", last);
    semctl(semaphores, 0, IPC_RMID);
}
