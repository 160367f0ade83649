// SPDX-License-Identifier: GPL-2.0-or-later
// Two threads take turns under one mutex and condition variable.
#include "program.h"

int main(int argc, char** argv) {
    const long turns = number_argument(argc, argv, 1, 2000);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    long turn = 0;
    run_threads(2, [&](int me) {
        pthread_mutex_lock(&mutex);
        while (turn < turns) {
            if (turn % 2 == me) {
                ++turn;
                pthread_cond_signal(&changed);
            } else {
                pthread_cond_wait(&changed, &mutex);
            }
        }
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    });
    std::printf("%ld turns\n", turn);
}
