// SPDX-License-Identifier: GPL-2.0-or-later
// Counters of two threads side by side in one cache line, and so in one page.
#include "program.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 2'000'000);
    static volatile long counters[2];
    run_threads(2, [&](int me) {
        for (long i = 0; i < times; ++i) counters[me] = counters[me] + 1;
    });
    std::printf("%ld %ld\n", counters[0], counters[1]);
}
