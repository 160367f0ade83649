// SPDX-License-Identifier: GPL-2.0-or-later
// Mutexes that inherit priority: a counter, and the owner's thread number in the word.
#include "futex.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 500);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    MUST(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) == 0);
    pthread_mutex_t mutex;
    MUST(pthread_mutex_init(&mutex, &attributes) == 0);
    long counter = 0;
    run_threads(3, [&](int) {
        for (long i = 0; i < times; ++i) {
            MUST(pthread_mutex_lock(&mutex) == 0);
            ++counter;
            MUST(pthread_mutex_unlock(&mutex) == 0);
        }
    });
    std::printf("counter %ld\n", counter);

    std::uint32_t word = 0;
    int owned = 0;
    run_threads(2, [&](int i) {
        if (i == 1) MUST(becomes([&] { return get(owned) == 1; }));
        MUST(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0) == 0);
        MUST((get(word) & FUTEX_TID_MASK) == std::uint32_t(own_tid()));
        set(owned, 1);
        if (i == 0) MUST(becomes([&] { return (get(word) & FUTEX_WAITERS) != 0; }));
        MUST(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0) == 0);
    });
    std::printf("word %u, not mine: %s\n", word,
                futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0) == -1 ? std::strerror(errno) : "unlocked");
}
