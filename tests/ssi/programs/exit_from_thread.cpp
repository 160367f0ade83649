// SPDX-License-Identifier: GPL-2.0-or-later
// exit() in a thread: atexit handlers run, the status is the thread's.
#include "program.h"

int main() {
    std::atexit([] { std::printf("at exit\n"); });
    run_threads(3, [&](int i) {
        if (i == 1) std::exit(7);
        for (;;) pause();
    });
}
