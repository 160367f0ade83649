// SPDX-License-Identifier: GPL-2.0-or-later
// MAP_POPULATE, mlock and mlockall by threads: calls that touch every page at once.
#include <sys/mman.h>

#include "program.h"

int main() {
    constexpr std::size_t page = 4096, length = 8 * page;
    long sum = 0;
    pthread_barrier_t unmapped;
    MUST(pthread_barrier_init(&unmapped, nullptr, 3) == 0);
    run_threads(3, [&](int me) {
        auto* area =
            static_cast<unsigned char*>(mmap(nullptr, length, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
        MUST(area != MAP_FAILED);
        for (std::size_t i = 0; i < length; i += page) area[i] = static_cast<unsigned char>(me + 1);
        MUST(mlock(area, length) == 0);
        for (std::size_t i = 0; i < length; i += page) add(sum, long(area[i]));
        MUST(munlock(area, length) == 0);
        MUST(munmap(area, length) == 0);
        // Nor may another thread have been given the place.
        pthread_barrier_wait(&unmapped);
        MUST(mlock(area, page) == -1 && errno == ENOMEM);
    });
    std::printf("sum %ld\n", sum);
}
