// SPDX-License-Identifier: GPL-2.0-or-later
// A library loaded and used by a thread, and used by others.
#include <dlfcn.h>

#include "program.h"

int main() {
    double (*cosine)(double) = nullptr;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    double sum[3];
    run_threads(3, [&](int me) {
        if (me == 2) {
            void* library = dlopen("libm.so.6", RTLD_NOW);
            MUST(library != nullptr);
            cosine = reinterpret_cast<double (*)(double)>(dlsym(library, "cos"));
            MUST(cosine != nullptr);
        }
        pthread_barrier_wait(&barrier);
        sum[me] = 0;
        for (int i = 0; i < 1000; ++i) sum[me] += cosine(i * 0.25);
    });
    std::printf("%.12f %d\n", sum[0], sum[0] == sum[1] && sum[1] == sum[2]);
}
