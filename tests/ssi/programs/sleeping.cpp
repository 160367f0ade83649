// SPDX-License-Identifier: GPL-2.0-or-later
// Sleeps in threads take as long as asked, by each clock and to a point in time.
#include "program.h"

int main() {
    int early = 0, errors = 0;
    run_threads(4, [&](int me) {
        const clockid_t clock = me % 2 == 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        const std::int64_t begin = now(clock), until = begin + 60'000'000;
        if (me < 2) {
            const timespec length = {0, 60'000'000};
            if (clock_nanosleep(clock, 0, &length, nullptr) != 0) add(errors, 1);
        } else {
            const timespec time = {until / 1'000'000'000, until % 1'000'000'000};
            if (clock_nanosleep(clock, TIMER_ABSTIME, &time, nullptr) != 0) add(errors, 1);
        }
        if (now(clock) < until) add(early, 1);
        const timespec wrong = {0, 2'000'000'000};
        if (nanosleep(&wrong, nullptr) != -1 || errno != EINVAL) add(errors, 1);
    });
    std::printf("early %d errors %d\n", early, errors);
    return early + errors;
}
