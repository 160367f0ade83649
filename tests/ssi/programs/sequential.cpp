// SPDX-License-Identifier: GPL-2.0-or-later
// A large array filled by one thread and summed by another, in order: what prefetch is for.
#include <sys/mman.h>

#include "program.h"

int main(int argc, char** argv) {
    const long megabytes = number_argument(argc, argv, 1, 16);
    const long words = megabytes * (1 << 20) / 8;
    auto* area = static_cast<long*>(mmap(nullptr, std::size_t(words) * 8, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    long sum = 0;
    for (int me = 0; me < 2; ++me)
        run_threads(2, [&](int i) {
            if (i != me) return;
            if (me == 0)
                for (long w = 0; w < words; ++w) area[w] = w * 3;
            else
                for (long w = 0; w < words; ++w) sum += area[w];
        });
    std::printf("%ld MB, %s\n", megabytes, sum == words * (words - 1) / 2 * 3 ? "right" : "WRONG");
}
