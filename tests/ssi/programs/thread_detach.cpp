// SPDX-License-Identifier: GPL-2.0-or-later
// Detached threads, one with a small stack, one with attributes of its own; waited for by a
// semaphore.
#include <semaphore.h>

#include "program.h"

static sem_t done;
static int results[8];

static void* work(void* argument) {
    const auto n = int(reinterpret_cast<std::intptr_t>(argument));
    char frame[4096];
    std::memset(frame, n, sizeof frame);
    results[n] = frame[17] * 3;
    MUST(sem_post(&done) == 0);
    return nullptr;
}

int main() {
    MUST(sem_init(&done, 0, 0) == 0);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (std::intptr_t i = 0; i < 8; ++i) {
        pthread_t thread;
        MUST(pthread_create(&thread, &attributes, work, reinterpret_cast<void*>(i)) == 0);
    }
    for (int i = 0; i < 8; ++i) MUST(sem_wait(&done) == 0);
    for (int result : results) std::printf("%d ", result);
    std::printf("\n");
}
