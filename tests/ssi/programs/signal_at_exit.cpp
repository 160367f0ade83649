// SPDX-License-Identifier: GPL-2.0-or-later
// Signals for the process while threads that would take them come and go: none is lost.
#include <signal.h>
#include <sys/wait.h>

#include "program.h"

namespace {
unsigned queued, children;

void count(int, siginfo_t* info, void*) { add(queued, unsigned(info->si_value.sival_int)); }
void collect(int, siginfo_t*, void*) {
    const int before = errno;
    while (waitpid(-1, nullptr, WNOHANG) > 0) add(children, 1U);
    errno = before;
}

void install(int signo, void (*handler)(int, siginfo_t*, void*)) {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    MUST(sigaction(signo, &action, nullptr) == 0);
}
}  // namespace

int main(int argc, char** argv) {
    const int count_of_signals = int(number_argument(argc, argv, 1, 400));
    constexpr int forks = 10;
    install(SIGRTMIN, count);
    install(SIGCHLD, collect);
    // The first thread takes none of them.
    sigset_t both, before;
    sigemptyset(&both);
    sigaddset(&both, SIGRTMIN);
    sigaddset(&both, SIGCHLD);
    MUST(pthread_sigmask(SIG_BLOCK, &both, &before) == 0);
    bool enough = false;
    const auto live_shortly = [&](int) {
        MUST(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    };
    const auto make_threads = [&](int) {
        while (!get(enough)) run_threads(2, live_shortly);
    };
    Thread<decltype(make_threads)> maker;
    maker.start(make_threads, 0);
    for (int i = 0; i < count_of_signals; ++i) {
        // A few under way at a time, over the lives of many threads.
        MUST(becomes([&] { return get(queued) + 3 > unsigned(i); }));
        MUST(sigqueue(getpid(), SIGRTMIN, sigval{1}) == 0);
        if (i % (count_of_signals / forks) == 0) {
            const pid_t child = fork();
            MUST(child >= 0);
            if (child == 0) _exit(0);
        }
    }
    MUST(becomes(
        [&] { return get(queued) == unsigned(count_of_signals) && get(children) == forks; }));
    set(enough, true);
    maker.join();
    std::printf("%u signals, %u children\n", queued, children);
}
