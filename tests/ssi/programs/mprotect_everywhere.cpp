// SPDX-License-Identifier: GPL-2.0-or-later
// What one thread forbids, no other may do once the call has returned.
#include <sys/mman.h>

#include "faults.h"

int main() {
    faults::catch_them();
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    const char* said[3][6] = {};
    const int steps[][3] = {{PROT_READ, 0, 0}, {PROT_NONE, 0, 0}, {PROT_READ | PROT_WRITE, 0, 0}};
    run_threads(3, [&](int me) {
        for (int step = 0; step < 3; ++step) {
            area[4096 * std::size_t(me)] = 1;  // everyone has had its page
            pthread_barrier_wait(&barrier);
            if (me == step) MUST(mprotect(area, 3 * 4096, steps[step][0]) == 0);
            pthread_barrier_wait(&barrier);
            said[me][2 * step] = faults::touch(area + 4096, false);
            said[me][2 * step + 1] = faults::touch(area + 4096, true);
            pthread_barrier_wait(&barrier);
            if (me == 2) MUST(mprotect(area, 3 * 4096, PROT_READ | PROT_WRITE) == 0);
            pthread_barrier_wait(&barrier);
        }
    });
    for (auto& line : said) {
        for (const char* word : line) std::printf("%s; ", word);
        std::printf("\n");
    }
}
