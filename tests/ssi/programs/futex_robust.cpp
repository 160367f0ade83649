// SPDX-License-Identifier: GPL-2.0-or-later
// The next to lock a robust mutex learns that its owner died, and may mend it or not.
#include "program.h"

static pthread_mutex_t make() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_t mutex;
    MUST(pthread_mutex_init(&mutex, &attributes) == 0);
    return mutex;
}

int main() {
    static pthread_mutex_t mended = make(), given_up = make(), waited_for = make();
    run_threads(1, [&](int) {
        MUST(pthread_mutex_lock(&mended) == 0);
        MUST(pthread_mutex_lock(&given_up) == 0);
    });
    std::printf("after death: %s\n", std::strerror(pthread_mutex_lock(&mended)));
    MUST(pthread_mutex_consistent(&mended) == 0);
    MUST(pthread_mutex_unlock(&mended) == 0);
    std::printf("mended: %s\n", std::strerror(pthread_mutex_lock(&mended)));
    MUST(pthread_mutex_unlock(&mended) == 0);

    MUST(pthread_mutex_lock(&given_up) == EOWNERDEAD);
    MUST(pthread_mutex_unlock(&given_up) == 0);
    run_threads(2, [&](int) { MUST(pthread_mutex_lock(&given_up) == ENOTRECOVERABLE); });
    std::printf("given up: %s\n", std::strerror(pthread_mutex_lock(&given_up)));

    // One that sleeps on it is woken by the death.
    int locked = 0;
    run_threads(2, [&](int i) {
        if (i == 0) {
            MUST(pthread_mutex_lock(&waited_for) == 0);
            set(locked, 1);
            usleep(100'000);
            return;
        }
        MUST(becomes([&] { return get(locked) == 1; }));
        const int error = pthread_mutex_lock(&waited_for);
        std::printf("woken: %s\n", std::strerror(error));
    });
}
