// SPDX-License-Identifier: GPL-2.0-or-later
// Memory mapped by one thread is there for another, and gone when a third has unmapped it.
#include <sys/mman.h>

#include "faults.h"

int main(int argc, char** argv) {
    const long rounds = number_argument(argc, argv, 1, 20);
    constexpr std::size_t length = 64 * 4096;
    faults::catch_them();
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    unsigned char* area = nullptr;
    long wrong = 0;
    run_threads(3, [&](int me) {
        for (long round = 0; round < rounds; ++round) {
            if (me == round % 3) {
                area = static_cast<unsigned char*>(mmap(nullptr, length, PROT_READ | PROT_WRITE,
                                                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
                MUST(area != MAP_FAILED);
                for (std::size_t i = 0; i < length; i += 4096)
                    area[i] = static_cast<unsigned char>(i >> 12);
            }
            pthread_barrier_wait(&barrier);
            for (std::size_t i = std::size_t(me) * 4096; i < length; i += 3 * 4096) {
                if (area[i] != static_cast<unsigned char>(i >> 12)) add(wrong, 1L);
                area[i + 1] = static_cast<unsigned char>(me);
            }
            pthread_barrier_wait(&barrier);
            if (me == (round + 1) % 3) MUST(munmap(area, length) == 0);
            pthread_barrier_wait(&barrier);
            if (std::strcmp(faults::touch(area + 4096, me == 0), "not mapped") != 0) add(wrong, 1L);
            pthread_barrier_wait(&barrier);
        }
    });
    std::printf("%ld rounds, wrong %ld\n", rounds, wrong);
    return wrong == 0 ? 0 : 1;
}
