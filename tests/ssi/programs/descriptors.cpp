// SPDX-License-Identifier: GPL-2.0-or-later
// A thread closes every descriptor it does not know, lowers the limit, and life goes on.
#include <fcntl.h>
#include <sys/resource.h>

#include "program.h"

int main() {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    long sum = 0;
    int lowest = -1;
    run_threads(3, [&](int me) {
        pthread_barrier_wait(&barrier);
        if (me == 1) {
            MUST(syscall(SYS_close_range, 3, ~0u, 0) == 0);
            for (int i = 3; i < 1100; ++i) close(i);
            const rlimit few = {20, 20};
            MUST(setrlimit(RLIMIT_NOFILE, &few) == 0);
        }
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < 100; ++i) add(sum, long(me) + i);
        if (me == 2) lowest = open("/dev/null", O_RDONLY);
    });
    run_threads(3, [&](int me) { add(sum, long(me)); });
    int opened = 0;
    while (open("/dev/null", O_RDONLY) >= 0) ++opened;
    std::printf("sum %ld, lowest %d, then %d and %s\n", sum, lowest, opened, std::strerror(errno));
    MUST(dup2(1, 7) == 7);
    run_threads(1, [](int) { MUST(write(7, "seven\n", 6) == 6); });
}
