// SPDX-License-Identifier: GPL-2.0-or-later
// A mapping put over another: everyone sees the new one; NOREPLACE refuses.
#include <sys/mman.h>

#include "program.h"

int main() {
    constexpr std::size_t page = 4096;
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 2);
    int seen[2][3];
    run_threads(2, [&](int me) {
        if (me == 0) std::memset(area, 'a', 8 * page);
        pthread_barrier_wait(&barrier);
        MUST(area[2 * page] == 'a');
        pthread_barrier_wait(&barrier);
        if (me == 1)
            MUST(mmap(area + 2 * page, 2 * page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == area + 2 * page);
        pthread_barrier_wait(&barrier);
        seen[me][0] = area[page], seen[me][1] = area[2 * page], seen[me][2] = area[4 * page];
        pthread_barrier_wait(&barrier);
        if (me == 0) area[3 * page] = 'b';
        pthread_barrier_wait(&barrier);
        MUST(area[3 * page] == 'b');
    });
    std::printf("%d %d %d | %d %d %d\n", seen[0][0], seen[0][1], seen[0][2], seen[1][0], seen[1][1],
                seen[1][2]);
    void* refused =
        mmap(area, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    std::printf("no replace: %s\n", refused == MAP_FAILED ? std::strerror(errno) : "replaced");
}
