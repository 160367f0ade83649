// SPDX-License-Identifier: GPL-2.0-or-later
// CPU time that threads use is the process's: by clock, by getrusage, by times.
#include <sys/resource.h>
#include <sys/times.h>

#include "program.h"

int main() {
    const std::int64_t before = now(CLOCK_PROCESS_CPUTIME_ID);
    std::int64_t each[3];
    run_threads(3, [&](int me) {
        const std::int64_t begin = now(CLOCK_THREAD_CPUTIME_ID);
        volatile long work = 0;
        while (now(CLOCK_THREAD_CPUTIME_ID) - begin < 150'000'000)
            for (int i = 0; i < 1000; ++i) work = work + i;
        each[me] = now(CLOCK_THREAD_CPUTIME_ID) - begin;
    });
    const std::int64_t used = now(CLOCK_PROCESS_CPUTIME_ID) - before;
    const std::int64_t sum = each[0] + each[1] + each[2];
    rusage usage;
    MUST(getrusage(RUSAGE_SELF, &usage) == 0);
    const long milliseconds = usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
                              usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
    tms ticks;
    MUST(times(&ticks) != -1);
    std::printf("clock %d, getrusage %d, times %d\n", used >= sum - 20'000'000, milliseconds >= 400,
                ticks.tms_utime + ticks.tms_stime >= 40);
}
