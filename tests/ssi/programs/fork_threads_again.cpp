// SPDX-License-Identifier: GPL-2.0-or-later
// A child forked by a thread makes threads of its own, and forks again.
#include <sys/wait.h>

#include "program.h"

static long counter;

int main() {
    run_threads(2, [&](int me) {
        add(counter, 10L);
        if (me != 1) return;
        const pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) {
            set(counter, 0L);
            run_threads(3, [&](int) {
                for (int i = 0; i < 100; ++i) add(counter, 1L);
            });
            const pid_t grandchild = fork();
            if (grandchild == 0) _exit(get(counter) == 300 ? 5 : 6);
            int status;
            waitpid(grandchild, &status, 0);
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) + 10 : 1);
        }
        int status;
        MUST(waitpid(child, &status, 0) == child);
        std::printf("child: %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    });
    std::printf("counter here %ld\n", counter);
}
