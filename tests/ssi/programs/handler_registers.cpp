// SPDX-License-Identifier: GPL-2.0-or-later
// A handler that interrupts computing leaves integers, vectors and rounding as they were.
#include <fenv.h>
#include <signal.h>

#include "program.h"

static int handled;
static thread_local volatile double sink;
static void handler(int) {
    fesetround(FE_UPWARD);
    double noise[8];
    for (int i = 0; i < 8; ++i) noise[i] = i * 1.5;
    for (double value : noise) sink = sink + value / 3;
    add(handled, 1);
}

typedef double Vector __attribute__((vector_size(32)));

__attribute__((noinline)) static double compute(bool* over) {
    Vector a = {1, 2, 3, 4}, b = {0.5, 0.25, 0.125, 0.0625};
    double x = 0;
    long rounds = 0;
    while (!get(*over) || rounds < 100) {
        a = a * b + a;
        a = a / (b + 1.0);
        x += a[0] - 1 + a[3] - 4;
        ++rounds;
    }
    return x;
}

int main() {
    struct sigaction action = {};
    action.sa_handler = handler;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    bool over = false;
    double results[3];
    int modes[3];
    const auto body = [&](int i) {
        const int mode = i == 0 ? FE_TONEAREST : i == 1 ? FE_DOWNWARD : FE_TOWARDZERO;
        fesetround(mode);
        results[i] = compute(&over);
        modes[i] = fegetround() == mode;
    };
    Thread<decltype(body)> threads[3];
    for (int i = 0; i < 3; ++i) threads[i].start(body, i);
    for (int i = 1; i <= 60; ++i) {
        MUST(pthread_kill(threads[i % 3].id(), SIGUSR1) == 0);
        MUST(becomes([&] { return get(handled) == i; }));
    }
    set(over, true);
    for (auto& thread : threads) thread.join();
    std::printf("exact %d, rounding kept %d %d %d\n", results[0] == 0, modes[0], modes[1],
                modes[2]);
}
