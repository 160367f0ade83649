// SPDX-License-Identifier: GPL-2.0-or-later
// A counter under a mutex loses nothing.
#include "program.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 2000);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    long counter = 0, check = 0;
    run_threads(4, [&](int) {
        for (long i = 0; i < times; ++i) {
            pthread_mutex_lock(&mutex);
            ++counter;
            check ^= counter;
            pthread_mutex_unlock(&mutex);
        }
    });
    long expected = 0;
    for (long i = 1; i <= 4 * times; ++i) expected ^= i;
    std::printf("counter %ld, check %s\n", counter, check == expected ? "right" : "WRONG");
    return check == expected ? 0 : 1;
}
