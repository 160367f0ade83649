// SPDX-License-Identifier: GPL-2.0-or-later
// Waits that end by their time: relative, absolute, by either clock; never early.
#include "futex.h"

int main() {
    int early = 0, wrong = 0;
    run_threads(3, [&](int i) {
        std::uint32_t word = 3;
        const clockid_t clock = i == 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
        const std::int64_t length = 80'000'000, begin = now(clock), until = begin + length;
        long result;
        if (i == 0) {
            const timespec time = {0, length};
            result = futex(&word, FUTEX_WAIT_PRIVATE, 3, &time);
        } else {
            const timespec time = {until / 1'000'000'000, until % 1'000'000'000};
            const int flag = i == 2 ? FUTEX_CLOCK_REALTIME : 0;
            result = futex(&word, FUTEX_WAIT_BITSET_PRIVATE | flag, 3, &time, nullptr,
                           FUTEX_BITSET_MATCH_ANY);
        }
        if (result != -1 || errno != ETIMEDOUT) add(wrong, 1);
        if (now(clock) < until) add(early, 1);
    });
    std::printf("wrong %d early %d\n", wrong, early);
    return wrong + early;
}
