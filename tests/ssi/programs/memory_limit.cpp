// SPDX-License-Identifier: GPL-2.0-or-later
// Threads take all the memory that the program has allowed itself, hear of its end by ENOMEM, and
// use what they have.
#include <sys/mman.h>
#include <sys/resource.h>

#include "program.h"

namespace {
constexpr int threads = 3;
constexpr std::size_t most = 4096, page = 4096;
char* pieces[threads][most];
std::size_t sizes[threads][most];
}  // namespace

int main() {
    rlimit limit;
    MUST(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = 600 << 20;
    MUST(setrlimit(RLIMIT_AS, &limit) == 0);
    pthread_barrier_t started, full;
    MUST(pthread_barrier_init(&started, nullptr, threads) == 0);
    MUST(pthread_barrier_init(&full, nullptr, threads) == 0);
    std::size_t enough = 0;
    run_threads(threads, [&](int me) {
        // Not before all have their stacks: they are of the same memory.
        pthread_barrier_wait(&started);
        std::size_t count = 0, mine = 0;
        for (std::size_t size = 1 << 20; size >= page; size /= 2)
            for (; count < most; mine += size) {
                void* got =
                    mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (got == MAP_FAILED) break;
                pieces[me][count] = static_cast<char*>(got);
                sizes[me][count++] = size;
            }
        MUST(errno == ENOMEM);
        pthread_barrier_wait(&full);
        // Who keeps a record of it does so when there is no more to be had.
        for (std::size_t i = 0; i < count; ++i)
            for (std::size_t at = 0; at < sizes[me][i]; at += 64 * page) pieces[me][i][at] = 1;
        pthread_barrier_wait(&full);
        add(enough, mine);
        for (std::size_t i = 0; i < count; ++i) MUST(munmap(pieces[me][i], sizes[me][i]) == 0);
    });
    MUST(enough > 300 << 20);
    MUST(getrlimit(RLIMIT_AS, &limit) == 0);
    std::printf("limit %llu\n", static_cast<unsigned long long>(limit.rlim_cur));
}
