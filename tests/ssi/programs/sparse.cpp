// SPDX-License-Identifier: GPL-2.0-or-later
// 64 GB reserved, a page here and there used by each thread, as language runtimes do.
#include <sys/mman.h>

#include "program.h"

int main() {
    constexpr std::size_t page = 4096, length = std::size_t{64} << 30;
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    MUST(area != MAP_FAILED);
    constexpr int threads = 4, places = 25;
    run_threads(threads, [&](int me) {
        for (int i = 0; i < places; ++i) {
            unsigned char* at =
                area + (length / (threads * places)) * std::size_t(i * threads + me) / page * page;
            MUST(mprotect(at, page, PROT_READ | PROT_WRITE) == 0);
            at[100] = static_cast<unsigned char>(i);
        }
    });
    long sum = 0;
    run_threads(threads, [&](int me) {
        const int other = (me + 1) % threads;
        for (int i = 0; i < places; ++i)
            add(sum, long(area[(length / (threads * places)) * std::size_t(i * threads + other) /
                                   page * page +
                               100]));
    });
    std::printf("sum %ld\n", sum);
    MUST(munmap(area, length) == 0);
}
