// SPDX-License-Identifier: GPL-2.0-or-later
// A spin lock and a ticket lock of our own.
#include "program.h"

int main(int argc, char** argv) {
    const long times = number_argument(argc, argv, 1, 1000);
    pthread_spinlock_t spin;
    pthread_spin_init(&spin, 0);
    long by_spin = 0, by_ticket = 0, next = 0, serving = 0;
    run_threads(2, [&](int) {
        for (long i = 0; i < times; ++i) {
            pthread_spin_lock(&spin);
            ++by_spin;
            pthread_spin_unlock(&spin);
            const long ticket = add(next, 1L);
            while (get(serving) != ticket) sched_yield();
            ++by_ticket;
            set(serving, ticket + 1);
        }
    });
    std::printf("spin %ld ticket %ld\n", by_spin, by_ticket);
}
