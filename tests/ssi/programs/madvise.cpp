// SPDX-License-Identifier: GPL-2.0-or-later
// MADV_DONTNEED by one thread: every thread reads zeros afterwards, and what is written then stays.
#include <sys/mman.h>

#include "program.h"

int main() {
    constexpr std::size_t page = 4096, length = 32 * page;
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    long wrong = 0;
    run_threads(3, [&](int me) {
        for (int round = 0; round < 9; ++round) {
            for (std::size_t i = std::size_t(me) * page; i < length; i += 3 * page)
                area[i] = static_cast<unsigned char>(round + 1);
            pthread_barrier_wait(&barrier);
            for (std::size_t i = 0; i < length; i += page)
                if (area[i] != round + 1) add(wrong, 1L);
            pthread_barrier_wait(&barrier);
            if (me == round % 3) MUST(madvise(area + page, length / 2, MADV_DONTNEED) == 0);
            pthread_barrier_wait(&barrier);
            for (std::size_t i = 0; i < length; i += page) {
                const bool dropped = i >= page && i < page + length / 2;
                if (area[i] != (dropped ? 0 : round + 1)) add(wrong, 1L);
            }
            pthread_barrier_wait(&barrier);
        }
    });
    MUST(madvise(area, length, MADV_HUGEPAGE) == 0 || errno == EINVAL);
    MUST(madvise(area, length, MADV_WILLNEED) == 0);
    std::printf("unknown advice: %s\n",
                madvise(area, length, 12345) == -1 ? std::strerror(errno) : "taken");
    std::printf("wrong %ld\n", wrong);
    return wrong == 0 ? 0 : 1;
}
