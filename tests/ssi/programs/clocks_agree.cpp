// SPDX-License-Identifier: GPL-2.0-or-later
// Every thread reads the same clocks, through the C library or by system calls: none shows less
// than one that was read before, or more than one that is read later; and all of them go on.
#include <sys/time.h>

#include "program.h"

namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr int clocks = 10;

struct Reading {
    std::int64_t clock[clocks];
};

std::int64_t by_call(clockid_t clock) {
    timespec time;
    MUST(syscall(SYS_clock_gettime, clock, &time) == 0);
    return time.tv_sec * second + time.tv_nsec;
}

/// `calls`: the last four by system calls.
Reading read_all(bool calls) {
    timeval of_day, again;
    MUST(gettimeofday(&of_day, nullptr) == 0);
    MUST((calls ? syscall(SYS_gettimeofday, &again, nullptr) : gettimeofday(&again, nullptr)) == 0);
    return {{now(CLOCK_REALTIME), now(CLOCK_MONOTONIC), now(CLOCK_MONOTONIC_RAW),
             now(CLOCK_BOOTTIME), now(CLOCK_TAI), of_day.tv_sec * second + of_day.tv_usec * 1000,
             calls ? by_call(CLOCK_REALTIME) : now(CLOCK_REALTIME),
             calls ? by_call(CLOCK_MONOTONIC) : now(CLOCK_MONOTONIC),
             again.tv_sec * second + again.tv_usec * 1000,
             (calls ? syscall(SYS_time, nullptr) : long(time(nullptr))) * second}};
}

int earlier(const Reading& later, const Reading& before) {
    int count = 0;
    for (int i = 0; i < clocks; ++i)
        if (later.clock[i] < before.clock[i]) {
            std::printf("clock %d goes back by %ld ns\n", i,
                        long(before.clock[i] - later.clock[i]));
            ++count;
        }
    return count;
}

}  // namespace

int main() {
    int wrong = 0;
    Reading last = read_all(false);
    const Reading first = last;
    for (int i = 0; i < 8; ++i) {
        Reading there, at_end;
        run_threads(1, [&](int) {
            there = read_all(true);
            at_end = read_all(true);
            for (long tries = 0;
                 at_end.clock[1] < there.clock[1] + second / 100 && tries < 10'000'000; ++tries)
                at_end = read_all(true);
        });
        wrong += earlier(there, last) + earlier(at_end, there);
        if (at_end.clock[1] < there.clock[1] + second / 100)
            std::printf("time stands still\n"), ++wrong;
        last = read_all(false);
        wrong += earlier(last, at_end);
    }
    for (int i = 0; i < clocks; ++i)
        if (last.clock[i] - first.clock[i] > 100 * second)
            std::printf("clock %d jumps\n", i), ++wrong;
    std::printf("%d of %d clocks are wrong\n", wrong, clocks);
    return wrong == 0 ? 0 : 1;
}
