// SPDX-License-Identifier: GPL-2.0-or-later
// Two producers and two consumers with a bounded queue; every number arrives once.
#include "program.h"

int main(int argc, char** argv) {
    const long each = number_argument(argc, argv, 1, 1000);
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
    long queue[16], head = 0, tail = 0, sum = 0, taken = 0;
    run_threads(4, [&](int me) {
        if (me < 2) {
            for (long i = 0; i < each; ++i) {
                pthread_mutex_lock(&mutex);
                while (tail - head == 16) pthread_cond_wait(&not_full, &mutex);
                queue[tail++ % 16] = me * each + i;
                pthread_cond_signal(&not_empty);
                pthread_mutex_unlock(&mutex);
            }
            return;
        }
        pthread_mutex_lock(&mutex);
        for (;;) {
            while (head == tail && taken < 2 * each) pthread_cond_wait(&not_empty, &mutex);
            if (taken == 2 * each) break;
            sum += queue[head++ % 16];
            if (++taken == 2 * each) pthread_cond_broadcast(&not_empty);
            pthread_cond_signal(&not_full);
        }
        pthread_mutex_unlock(&mutex);
    });
    std::printf("taken %ld sum %ld expected %ld\n", taken, sum, (2 * each - 1) * each);
    return sum == (2 * each - 1) * each ? 0 : 1;
}
