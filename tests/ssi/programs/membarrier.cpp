// SPDX-License-Identifier: GPL-2.0-or-later
// membarrier: who has called it sees what others had stored before, with no fence of theirs.
#include <linux/membarrier.h>

#include "program.h"

// Store buffering where one side has only a compiler barrier and the other calls membarrier: both
// must not read the old value.
int main(int argc, char** argv) {
    const long rounds = number_argument(argc, argv, 1, 300);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0) {
        std::printf("both old: 0\n");  // a kernel without it forbids nothing
        return 0;
    }
    struct alignas(4096) Word {
        long value = 0;
    };
    static Word x, y;
    long both_old = 0, fast_old = 0, slow_old = 0;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 2);
    run_threads(2, [&](int me) {
        for (long round = 1; round <= rounds; ++round) {
            pthread_barrier_wait(&barrier);
            if (me == 0) {
                *const_cast<volatile long*>(&x.value) = round;
                asm volatile("" ::: "memory");
                fast_old = *const_cast<volatile long*>(&y.value) != round;
            } else {
                *const_cast<volatile long*>(&y.value) = round;
                MUST(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
                slow_old = *const_cast<volatile long*>(&x.value) != round;
            }
            pthread_barrier_wait(&barrier);
            if (me == 0 && fast_old != 0 && slow_old != 0) ++both_old;
        }
    });
    std::printf("both old: %ld\n", both_old);
    return both_old == 0 ? 0 : 1;
}
