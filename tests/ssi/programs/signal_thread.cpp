// SPDX-License-Identifier: GPL-2.0-or-later
// pthread_kill: the handler runs in the thread that is meant, whatever it is doing.
#include <signal.h>

#include "program.h"

static thread_local int number = -1;
static int ran[4], wrong;

static void handler(int, siginfo_t* info, void*) {
    if (info->si_pid != getpid() || info->si_code != SI_TKILL) add(wrong, 1);
    if (number < 0)
        add(wrong, 1);
    else
        add(ran[number], 1);
}

int main() {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    int ends[2], ready = 0;
    MUST(pipe(ends) == 0);
    bool over = false;
    const auto body = [&](int i) {
        number = i;
        add(ready, 1);
        char byte;
        if (i == 0)
            while (!get(over)) {
            }
        if (i == 1)
            while (!get(over)) usleep(2000);
        if (i == 2) MUST(read(ends[0], &byte, 1) == 1);
        if (i == 3) MUST(becomes([&] { return get(over); }));
    };
    Thread<decltype(body)> threads[4];
    for (int i = 0; i < 4; ++i) threads[i].start(body, i);
    MUST(becomes([&] { return get(ready) == 4; }));
    for (int round = 1; round <= 5; ++round)
        for (int i = 0; i < 4; ++i) {
            MUST(pthread_kill(threads[i].id(), SIGUSR1) == 0);
            MUST(becomes([&] { return get(ran[i]) == round; }));
        }
    set(over, true);
    MUST(write(ends[1], "x", 1) == 1);
    for (auto& thread : threads) thread.join();
    std::printf("ran %d %d %d %d wrong %d\n", ran[0], ran[1], ran[2], ran[3], wrong);
    return wrong;
}
