// SPDX-License-Identifier: GPL-2.0-or-later
// Code written by one thread, made executable, run by others, and rewritten.
#include <sys/mman.h>

#include "program.h"

int main() {
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    long sum = 0;
    run_threads(3, [&](int me) {
        for (int round = 0; round < 12; ++round) {
            if (me == round % 3) {
                MUST(mprotect(area, 4096, PROT_READ | PROT_WRITE) == 0);
                area[0] = 0xb8;  // mov $round, %eax; ret
                std::memcpy(area + 1, &round, 4);
                area[5] = 0xc3;
                MUST(mprotect(area, 4096, PROT_READ | PROT_EXEC) == 0);
            }
            pthread_barrier_wait(&barrier);
            const int result = reinterpret_cast<int (*)()>(area)();
            MUST(result == round);
            add(sum, long(result));
            pthread_barrier_wait(&barrier);
        }
    });
    std::printf("sum %ld\n", sum);
}
