// SPDX-License-Identifier: GPL-2.0-or-later
// execve from a thread: the others are gone, the process stays the same one.
#include "program.h"

int main(int argc, char** argv) {
    if (argc == 2) {
        const bool same = std::atoi(argv[1]) == getpid() && own_tid() == getpid();
        std::printf("executed anew: same process %d\n", same);
        int sum = 0;
        run_threads(3, [&](int i) { add(sum, i + 1); });
        std::printf("threads again: %d\n", sum);
        return 12;
    }
    std::printf("before\n");
    std::fflush(stdout);
    // All are there before one executes: clone is EAGAIN while another thread is in execve.
    int ready = 0;
    run_threads(3, [&](int i) {
        add(ready, 1);
        MUST(becomes([&] { return get(ready) == 3; }));
        if (i != 1)
            for (;;) pause();
        char pid[16];
        std::snprintf(pid, sizeof pid, "%d", getpid());
        execl("/proc/self/exe", argv[0], pid, static_cast<char*>(nullptr));
        MUST(!"came back");
    });
}
