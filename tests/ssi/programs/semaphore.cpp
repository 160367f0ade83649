// SPDX-License-Identifier: GPL-2.0-or-later
// Semaphores between threads: turns, trywait, a wait that times out.
#include <semaphore.h>

#include "program.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 500);
    sem_t ping, pong;
    sem_init(&ping, 0, 1);
    sem_init(&pong, 0, 0);
    long value = 0;
    run_threads(2, [&](int me) {
        for (long i = 0; i < times; ++i) {
            MUST(sem_wait(me == 0 ? &ping : &pong) == 0);
            MUST(value % 2 == me);
            ++value;
            MUST(sem_post(me == 0 ? &pong : &ping) == 0);
        }
    });
    std::printf("value %ld\n", value);
    MUST(sem_trywait(&ping) == 0);
    std::printf("trywait: %s\n", sem_trywait(&ping) == -1 ? std::strerror(errno) : "taken");
    run_threads(1, [&](int) {
        timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        std::printf("timed: %s\n",
                    sem_timedwait(&ping, &until) == -1 ? std::strerror(errno) : "taken");
    });
}
