// SPDX-License-Identifier: GPL-2.0-or-later
// Signals that come while their thread reads the time, one after the other: each is handled, in
// that thread.
#include <signal.h>

#include "program.h"

namespace {
int handled, elsewhere;
pthread_t reader;
void on_signal(int) {
    if (!pthread_equal(pthread_self(), reader)) add(elsewhere, 1);
    add(handled, 1);
}
}  // namespace

int main() {
    constexpr int signals = 300;
    reader = pthread_self();
    struct sigaction action = {};
    action.sa_handler = on_signal;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    bool over = false;
    const auto send = [&](int) {
        for (int i = 0; i < signals; ++i) {
            MUST(pthread_kill(reader, SIGUSR1) == 0);
            if (!becomes([&] { return get(handled) > i; })) break;
        }
        set(over, true);
    };
    Thread<decltype(send)> sender;
    sender.start(send, 0);
    while (!get(over)) now();
    sender.join();
    std::printf("handled %d of %d, %d in another thread\n", get(handled), signals, get(elsewhere));
    return get(handled) == signals && get(elsewhere) == 0 ? 0 : 1;
}
