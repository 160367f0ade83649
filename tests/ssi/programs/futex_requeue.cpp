// SPDX-License-Identifier: GPL-2.0-or-later
// Waiters are moved to another word and woken there.
#include "futex.h"

int main() {
    std::uint32_t from = 0, to = 0;
    int gone = 0;
    const auto waits = [&](int) {
        while (futex(&from, FUTEX_WAIT_PRIVATE, 0) != 0) MUST(errno == EINTR || errno == EAGAIN);
        add(gone, 1);
    };
    Thread<decltype(waits)> threads[4];
    for (int i = 0; i < 4; ++i) threads[i].start(waits, i);
    MUST(futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 0, 10L, &to, 77) == -1 && errno == EAGAIN);
    // All four get to the second word without one of them going on.
    long moved = 0;
    MUST(becomes([&] {
        const long count = futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 0, 10L, &to, 0);
        MUST(count >= 0);
        moved += count;
        return moved == 4;
    }));
    MUST(get(gone) == 0);
    std::printf("moved %ld, still there %ld\n", moved, futex(&from, FUTEX_WAKE_PRIVATE, 10));
    std::printf("woken %ld", futex(&to, FUTEX_WAKE_PRIVATE, 3));
    MUST(becomes([&] { return get(gone) == 3; }));
    std::printf(" and %ld\n", futex(&to, FUTEX_WAKE_PRIVATE, 10));
    for (auto& thread : threads) thread.join();
    std::printf("gone %d\n", gone);
}
