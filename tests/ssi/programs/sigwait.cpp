// SPDX-License-Identifier: GPL-2.0-or-later
// sigwait and sigtimedwait in a thread get process-directed and queued signals, with their values.
#include <signal.h>

#include "program.h"

int main() {
    sigset_t waited_for;
    sigemptyset(&waited_for);
    sigaddset(&waited_for, SIGTERM);
    sigaddset(&waited_for, SIGRTMIN + 3);
    pthread_sigmask(SIG_BLOCK, &waited_for, nullptr);
    int got = 0;
    const auto body = [&](int) {
        int signal = 0;
        MUST(sigwait(&waited_for, &signal) == 0);
        std::printf("%s\n", signal == SIGTERM ? "SIGTERM" : "other");
        set(got, 1);
        for (int i = 0; i < 3; ++i) {
            siginfo_t info;
            const timespec long_enough = {10, 0};
            MUST(sigtimedwait(&waited_for, &info, &long_enough) == SIGRTMIN + 3);
            std::printf("value %d, code %s\n", info.si_value.sival_int,
                        info.si_code == SI_QUEUE ? "queue" : "other");
        }
        const timespec short_time = {0, 50'000'000};
        MUST(sigtimedwait(&waited_for, nullptr, &short_time) == -1 && errno == EAGAIN);
    };
    Thread<decltype(body)> thread;
    thread.start(body, 0);
    MUST(kill(getpid(), SIGTERM) == 0);
    MUST(becomes([&] { return get(got) == 1; }));
    for (int i = 10; i < 13; ++i) {
        sigval value;
        value.sival_int = i;
        MUST(sigqueue(getpid(), SIGRTMIN + 3, value) == 0);
    }
    thread.join();
}
