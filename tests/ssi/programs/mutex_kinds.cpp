// SPDX-License-Identifier: GPL-2.0-or-later
// Recursive and error-checking mutexes, trylock, timedlock: what each says to whom.
#include "program.h"

static pthread_mutex_t make(int kind) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kind);
    pthread_mutex_t mutex;
    MUST(pthread_mutex_init(&mutex, &attributes) == 0);
    return mutex;
}

int main() {
    pthread_mutex_t recursive = make(PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_t checking = make(PTHREAD_MUTEX_ERRORCHECK);
    MUST(pthread_mutex_lock(&recursive) == 0);
    MUST(pthread_mutex_lock(&recursive) == 0);
    MUST(pthread_mutex_lock(&checking) == 0);
    std::printf("again: %s\n", std::strerror(pthread_mutex_lock(&checking)));
    run_threads(1, [&](int) {
        std::printf("recursive, other: %s\n", std::strerror(pthread_mutex_trylock(&recursive)));
        std::printf("checking, unlock by other: %s\n",
                    std::strerror(pthread_mutex_unlock(&checking)));
        timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50'000'000;
        if (until.tv_nsec >= 1'000'000'000) ++until.tv_sec, until.tv_nsec -= 1'000'000'000;
        std::printf("timed: %s\n", std::strerror(pthread_mutex_timedlock(&checking, &until)));
    });
    pthread_mutex_unlock(&recursive);
    run_threads(1, [&](int) {
        std::printf("unlocked once: %s\n", std::strerror(pthread_mutex_trylock(&recursive)));
    });
    pthread_mutex_unlock(&recursive);
    pthread_mutex_unlock(&checking);
    run_threads(2, [&](int) {
        MUST(pthread_mutex_lock(&recursive) == 0);
        MUST(pthread_mutex_lock(&checking) == 0);
        pthread_mutex_unlock(&checking);
        pthread_mutex_unlock(&recursive);
    });
    std::printf("unlocked: %s\n", std::strerror(pthread_mutex_unlock(&checking)));
}
