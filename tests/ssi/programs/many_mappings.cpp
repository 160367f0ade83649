// SPDX-License-Identifier: GPL-2.0-or-later
// Thousands of mappings, each with its neighbour's opposite protection.
#include <sys/mman.h>

#include "faults.h"

int main(int argc, char** argv) {
    const long count = number_argument(argc, argv, 1, 2000);
    faults::catch_them();
    constexpr std::size_t page = 4096;
    auto* area =
        static_cast<unsigned char*>(mmap(nullptr, std::size_t(count) * page, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    long refused = 0, allowed = 0;
    run_threads(2, [&](int me) {
        for (long i = me; i < count; i += 2)
            if (i % 4 < 2) MUST(mprotect(area + std::size_t(i) * page, page, PROT_READ) == 0);
    });
    run_threads(2, [&](int me) {
        for (long i = me; i < count; i += 2) {
            const bool ok =
                std::strcmp(faults::touch(area + std::size_t(i) * page, true), "ok") == 0;
            MUST(ok == (i % 4 >= 2));
            add(ok ? allowed : refused, 1L);
        }
    });
    MUST(munmap(area, std::size_t(count) * page) == 0);
    std::printf("allowed %ld refused %ld\n", allowed, refused);
}
