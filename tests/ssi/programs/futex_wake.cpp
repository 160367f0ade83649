// SPDX-License-Identifier: GPL-2.0-or-later
// Waiters are woken as many as asked; a changed word is not waited for; bit sets choose.
#include "futex.h"

int main() {
    std::uint32_t word = 0;
    int waiting = 0, woken = 0;
    const auto waits = [&](int) {
        add(waiting, 1);
        while (get(word) == 0) futex(&word, FUTEX_WAIT_PRIVATE, 0);
        add(woken, 1);
    };
    Thread<decltype(waits)> threads[3];
    for (int i = 0; i < 3; ++i) threads[i].start(waits, i);
    MUST(becomes([&] { return get(waiting) == 3; }));
    MUST(futex(&word, FUTEX_WAIT_PRIVATE, 1) == -1 && errno == EAGAIN);
    set(word, 1u);
    // Who is asleep by now is not known; all together are three.
    long total = 0;
    while (get(woken) < 3) {
        const long count = futex(&word, FUTEX_WAKE_PRIVATE, 1);
        MUST(count == 0 || count == 1);
        total += count;
    }
    for (auto& thread : threads) thread.join();
    MUST(total <= 3);
    MUST(futex(&word, FUTEX_WAKE_PRIVATE, 100) == 0);

    // By bit set: only the one that is meant goes on.
    std::uint32_t bits = 0;
    int ended[2] = {0, 0}, gone[2] = {0, 0};
    const auto by_bit = [&](int i) {
        while (get(ended[i]) == 0)
            syscall(SYS_futex, &bits, FUTEX_WAIT_BITSET_PRIVATE, 0, nullptr, nullptr, 1u << i);
        set(gone[i], 1);
    };
    Thread<decltype(by_bit)> two[2];
    for (int i = 0; i < 2; ++i) two[i].start(by_bit, i);
    for (int i = 1; i >= 0; --i) {
        MUST(becomes([&] {
            return syscall(SYS_futex, &bits, FUTEX_WAKE_BITSET_PRIVATE, 10, nullptr, nullptr,
                           1u << i) == 1;
        }));
        set(ended[i], 1);
        // The word that is waited for stays what it is, so one that has looked before this may
        // wait after any wake-up: until it is seen to have gone.
        MUST(becomes([&] {
            syscall(SYS_futex, &bits, FUTEX_WAKE_BITSET_PRIVATE, 10, nullptr, nullptr, 1u << i);
            return get(gone[i]) == 1;
        }));
        two[i].join();
        std::printf("bit %d\n", i);
    }
    std::printf("woken %d\n", woken);
}
