// SPDX-License-Identifier: GPL-2.0-or-later
// Readers never see a writer's work half done.
#include "program.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 500);
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    long a = 0, b = 0, torn = 0;
    run_threads(4, [&](int me) {
        for (long i = 0; i < times; ++i) {
            if (me == 0) {
                pthread_rwlock_wrlock(&lock);
                ++a;
                b -= 1;
                pthread_rwlock_unlock(&lock);
            } else {
                pthread_rwlock_rdlock(&lock);
                if (a + b != 0) add(torn, 1L);
                pthread_rwlock_unlock(&lock);
            }
        }
    });
    std::printf("a %ld b %ld torn %ld\n", a, b, torn);
    return torn == 0 ? 0 : 1;
}
