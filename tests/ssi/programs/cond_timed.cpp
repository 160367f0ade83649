// SPDX-License-Identifier: GPL-2.0-or-later
// A timed wait that nobody ends times out, by either clock, and not early.
#include "program.h"

int main() {
    run_threads(2, [&](int i) {
        const clockid_t clock = i == 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, clock);
        pthread_cond_t never;
        pthread_cond_init(&never, &attributes);
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        timespec until;
        clock_gettime(clock, &until);
        ++until.tv_sec;
        pthread_mutex_lock(&mutex);
        int error = 0;
        while (error == 0) error = pthread_cond_timedwait(&never, &mutex, &until);
        MUST(error == ETIMEDOUT);
        timespec after;
        clock_gettime(clock, &after);
        MUST(after.tv_sec > until.tv_sec ||
             (after.tv_sec == until.tv_sec && after.tv_nsec >= until.tv_nsec));
        pthread_mutex_unlock(&mutex);
    });
    std::printf("both timed out, not early\n");
}
