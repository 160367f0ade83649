// SPDX-License-Identifier: GPL-2.0-or-later
// Values go into threads and come back by pthread_join.
#include "program.h"

static void* cube(void* argument) {
    const auto n = reinterpret_cast<std::intptr_t>(argument);
    return reinterpret_cast<void*>(n * n * n);
}

int main() {
    pthread_t threads[16];
    for (std::intptr_t i = 0; i < 16; ++i)
        MUST(pthread_create(&threads[i], nullptr, cube, reinterpret_cast<void*>(i)) == 0);
    long sum = 0;
    for (auto thread : threads) {
        void* result = nullptr;
        MUST(pthread_join(thread, &result) == 0);
        std::printf("%ld ", long(reinterpret_cast<std::intptr_t>(result)));
        sum += long(reinterpret_cast<std::intptr_t>(result));
    }
    std::printf("sum %ld\n", sum);
}
