// SPDX-License-Identifier: GPL-2.0-or-later
// _exit() in a thread ends those that compute, sleep and read.
#include "program.h"

int main() {
    int ends[2];
    MUST(pipe(ends) == 0);
    int ready = 0;
    run_threads(4, [&](int i) {
        add(ready, 1);
        char byte;
        if (i == 0)
            for (volatile long n = 0;;) n = n + 1;
        if (i == 1)
            for (;;) sleep(1000);
        if (i == 2) MUST(read(ends[0], &byte, 1) == 1);
        MUST(becomes([&] { return get(ready) == 4; }));
        std::printf("leaving\n");
        std::fflush(stdout);
        _exit(9);
    });
}
