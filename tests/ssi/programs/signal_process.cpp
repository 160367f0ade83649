// SPDX-License-Identifier: GPL-2.0-or-later
// A signal to the process goes to the one thread that has not blocked it; others are not disturbed.
#include <signal.h>

#include <initializer_list>

#include "program.h"

static int taken_by, count;
static thread_local int number = -1;
static void handler(int) {
    set(taken_by, number);
    add(count, 1);
}

int main() {
    struct sigaction action = {};
    action.sa_handler = handler;
    MUST(sigaction(SIGUSR2, &action, nullptr) == 0);
    sigset_t set_of_it;
    sigemptyset(&set_of_it);
    sigaddset(&set_of_it, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set_of_it, nullptr);
    int open_for = -1, turn = 0;
    bool over = false;
    const auto body = [&](int i) {
        number = i;
        while (!get(over)) {
            if (get(open_for) == i && get(turn) == 0) {
                pthread_sigmask(SIG_UNBLOCK, &set_of_it, nullptr);
                set(turn, 1);
                while (get(turn) == 1) sched_yield();
                pthread_sigmask(SIG_BLOCK, &set_of_it, nullptr);
                set(turn, 3);
            }
            sched_yield();
        }
    };
    Thread<decltype(body)> threads[3];
    for (int i = 0; i < 3; ++i) threads[i].start(body, i);
    for (int i : {2, 0, 1, 2}) {
        const int before = get(count);
        set(turn, 0);
        set(open_for, i);
        MUST(becomes([&] { return get(turn) == 1; }));
        MUST(kill(getpid(), SIGUSR2) == 0);
        MUST(becomes([&] { return get(count) == before + 1; }));
        std::printf("taken by %d\n", get(taken_by));
        set(open_for, -1);
        set(turn, 2);
        MUST(becomes([&] { return get(turn) == 3; }));
    }
    // Blocked by all: it waits, and is taken by whoever opens first.
    MUST(kill(getpid(), SIGUSR2) == 0);
    sigset_t pending;
    MUST(sigpending(&pending) == 0);
    std::printf("pending %d\n", sigismember(&pending, SIGUSR2));
    set(turn, 0);
    set(open_for, 0);
    MUST(becomes([&] { return get(count) == 5 && get(turn) == 1; }));
    std::printf("then taken by %d\n", get(taken_by));
    set(open_for, -1);
    set(turn, 2);
    set(over, true);
    for (auto& thread : threads) thread.join();
}
