// SPDX-License-Identifier: GPL-2.0-or-later
// Every thread reads the same clocks, whatever way it asks: none shows less than one that was read
// before, or more than one that is read later; and all of them go on.
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

Reading read_all() {
    timeval of_day;
    MUST(gettimeofday(&of_day, nullptr) == 0);
    timeval of_day_by_call;
    MUST(syscall(SYS_gettimeofday, &of_day_by_call, nullptr) == 0);
    return {{now(CLOCK_REALTIME), now(CLOCK_MONOTONIC), now(CLOCK_MONOTONIC_RAW),
             now(CLOCK_BOOTTIME), now(CLOCK_TAI), by_call(CLOCK_REALTIME), by_call(CLOCK_MONOTONIC),
             of_day.tv_sec * second + of_day.tv_usec * 1000,
             of_day_by_call.tv_sec * second + of_day_by_call.tv_usec * 1000,
             syscall(SYS_time, nullptr) * second}};
}

/// In whole seconds for the last, which has no finer.
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
    Reading last = read_all();
    const Reading first = last;
    for (int i = 0; i < 8; ++i) {
        Reading there, at_end;
        run_threads(1, [&](int) {
            there = read_all();
            at_end = read_all();
            for (long tries = 0;
                 at_end.clock[1] < there.clock[1] + second / 100 && tries < 10'000'000; ++tries)
                at_end = read_all();
        });
        wrong += earlier(there, last) + earlier(at_end, there);
        if (at_end.clock[1] < there.clock[1] + second / 100)
            std::printf("time stands still\n"), ++wrong;
        last = read_all();
        wrong += earlier(last, at_end);
    }
    for (int i = 0; i < clocks; ++i)
        if (last.clock[i] - first.clock[i] > 100 * second)
            std::printf("clock %d jumps\n", i), ++wrong;
    std::printf("%d of %d clocks are wrong\n", wrong, clocks);
    return wrong == 0 ? 0 : 1;
}
