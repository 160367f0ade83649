// SPDX-License-Identifier: GPL-2.0-or-later
// Phases between barriers: nobody is ahead, one is the serial thread.
#include "program.h"

int main(int argc, char** argv) {
    const long phases = number_argument(argc, argv, 1, 100);
    constexpr int threads = 4;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, threads);
    long progress[threads] = {}, serial = 0, wrong = 0;
    run_threads(threads, [&](int me) {
        for (long phase = 1; phase <= phases; ++phase) {
            set(progress[me], phase);
            if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) add(serial, 1L);
            for (long& other : progress)
                if (get(other) != phase) add(wrong, 1L);
            pthread_barrier_wait(&barrier);
        }
    });
    std::printf("%ld phases, serial %ld times, wrong %ld\n", phases, serial, wrong);
    return wrong == 0 ? 0 : 1;
}
