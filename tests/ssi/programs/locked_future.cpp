// SPDX-License-Identifier: GPL-2.0-or-later
// A program that locks all that it will ever map, and has threads then: what they map, use, discard
// and unmap is as elsewhere.
#include <sys/mman.h>
#include <sys/resource.h>

#include "program.h"

int main() {
    constexpr std::size_t page = 4096, length = 16 * page;
    // Stacks of threads are more than users may lock.
    const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &all) == 0) MUST(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    static long sum;
    static unsigned char* shared[3];
    pthread_barrier_t mapped;
    MUST(pthread_barrier_init(&mapped, nullptr, 3) == 0);
    run_threads(3, [&](int me) {
        void* got =
            mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(got != MAP_FAILED);
        shared[me] = static_cast<unsigned char*>(got);
        for (std::size_t i = 0; i < length; i += page)
            shared[me][i] = static_cast<unsigned char>(me + 1);
        pthread_barrier_wait(&mapped);
        for (std::size_t i = 0; i < length; i += page) add(sum, long(shared[(me + 1) % 3][i]));
        pthread_barrier_wait(&mapped);
        MUST(munmap(got, length) == 0);
    });
    std::printf("sum %ld\n", sum);
    MUST(munlockall() == 0);
}
