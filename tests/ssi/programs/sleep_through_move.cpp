// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that sleep, or wait for some time, are bound to another CPU meanwhile: that makes the
// time no longer.
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>

#include "program.h"

namespace {
constexpr std::int64_t whole = 1'500'000'000, half = whole / 2, too_long = 2'100'000'000;
constexpr int count = 8;  // two of each kind, side by side
unsigned waiting;
std::int64_t took[count];

void wait_in(int number) {
    const int kind = number / 2;
    const timespec time{1, 500'000'000};
    const int epoll = epoll_create1(0);
    epoll_event event;
    add(waiting, 1U);
    const std::int64_t begin = now();
    if (kind == 0) MUST(nanosleep(&time, nullptr) == 0);
    if (kind == 1) MUST(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr) == 0);
    if (kind == 2) MUST(poll(nullptr, 0, 1500) == 0);
    if (kind == 3) MUST(epoll_wait(epoll, &event, 1, 1500) == 0);
    took[number] = now() - begin;
    close(epoll);
}
}  // namespace

int main() {
    cpu_set_t all;
    MUST(sched_getaffinity(0, sizeof all, &all) == 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &all)) ++cpu;
    Thread<void (*)(int)> threads[count];
    void (*const body)(int) = wait_in;
    for (int i = 0; i < count; ++i) threads[i].start(body, i);
    MUST(becomes([] { return get(waiting) == count; }));
    const timespec middle{0, half};
    MUST(nanosleep(&middle, nullptr) == 0);
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(cpu, &first);
    for (auto& thread : threads)
        MUST(pthread_setaffinity_np(thread.id(), sizeof first, &first) == 0);
    for (auto& thread : threads) thread.join();
    for (int i = 0; i < count; ++i)
        std::printf("%d: %s\n", i,
                    took[i] < whole      ? "short"
                    : took[i] > too_long ? "long"
                                         : "right");
}
