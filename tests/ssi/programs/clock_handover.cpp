// SPDX-License-Identifier: GPL-2.0-or-later
// A time read by one thread and handed to another is never later than what that one reads then.
#include "program.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 1000);
    struct alignas(4096) {
        long turn = 0;
        std::int64_t monotonic = 0, coarse = 0;
    } baton;
    long negative = 0, coarse_negative = 0;
    std::int64_t worst = 0;
    run_threads(2, [&](int me) {
        for (long i = 0; i < times; ++i) {
            for (int spins = 0; get(baton.turn) != 2 * i + me; ++spins)
                if (spins > 200) sched_yield();
            const std::int64_t mine = now(), mine_coarse = now(CLOCK_MONOTONIC_COARSE);
            const std::int64_t step = mine - baton.monotonic;
            if (step < 0) {
                ++negative;
                if (step < worst) worst = step;
            }
            if (mine_coarse < baton.coarse) ++coarse_negative;
            baton.monotonic = now();
            baton.coarse = now(CLOCK_MONOTONIC_COARSE);
            set(baton.turn, 2 * i + me + 1);
        }
    });
    std::printf("%ld hand-overs, negative %ld (worst %ld ns), coarse negative %ld\n", 2 * times,
                negative, long(worst), coarse_negative);
    return negative + coarse_negative == 0 ? 0 : 1;
}
