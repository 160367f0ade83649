// SPDX-License-Identifier: GPL-2.0-or-later
// A signal for a thread that has only just been made, and makes no system call: it is taken.
#include <signal.h>

#include "program.h"

namespace {
unsigned taken;
void take(int) { add(taken, 1U); }
}  // namespace

int main(int argc, char** argv) {
    const long rounds = number_argument(argc, argv, 1, 100);
    struct sigaction action = {};
    action.sa_handler = take;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    const auto compute = [](int round) {
        while (get(taken) <= unsigned(round)) {
        }
    };
    for (int round = 0; round < rounds; ++round) {
        Thread<decltype(compute)> thread;
        thread.start(compute, round);
        MUST(pthread_kill(thread.id(), SIGUSR1) == 0);
        thread.join();
    }
    std::printf("%u signals\n", taken);
}
