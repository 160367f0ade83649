// SPDX-License-Identifier: GPL-2.0-or-later
// Masks are inherited by threads, changed by each for itself, swapped by sigsuspend.
#include <signal.h>

#include "program.h"

static thread_local volatile int handled;
static void handler(int) { handled = handled + 1; }

static int blocked(int signal) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, signal);
}

int main() {
    struct sigaction action = {};
    action.sa_handler = handler;
    sigaddset(&action.sa_mask, SIGUSR2);
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    MUST(sigaction(SIGUSR2, &action, nullptr) == 0);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, nullptr);
    run_threads(2, [&](int me) {
        MUST(blocked(SIGUSR1) == 1 && blocked(SIGUSR2) == 0);
        pthread_kill(pthread_self(), SIGUSR1);
        MUST(handled == 0);
        sigset_t pending;
        sigpending(&pending);
        MUST(sigismember(&pending, SIGUSR1) == 1);
        sigset_t none;
        sigemptyset(&none);
        MUST(sigsuspend(&none) == -1 && errno == EINTR);
        MUST(handled == 1);
        MUST(blocked(SIGUSR1) == 1);
        if (me == 0) {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_SETMASK, &all, nullptr);
            MUST(blocked(SIGUSR2) == 1 && blocked(SIGKILL) == 0);
            pthread_kill(pthread_self(), SIGUSR2);
            MUST(handled == 1);
            pthread_sigmask(SIG_SETMASK, &none, nullptr);
            MUST(handled == 2);
        }
    });
    std::printf("first thread: blocked %d %d\n", blocked(SIGUSR1), blocked(SIGUSR2));
}
