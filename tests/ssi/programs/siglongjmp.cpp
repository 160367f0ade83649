// SPDX-License-Identifier: GPL-2.0-or-later
// A thread leaves handlers by siglongjmp, again and again.
#include <setjmp.h>
#include <signal.h>

#include "program.h"

static thread_local sigjmp_buf out;
static void handler(int) { siglongjmp(out, 1); }

int main() {
    struct sigaction action = {};
    action.sa_handler = handler;
    MUST(sigaction(SIGUSR1, &action, nullptr) == 0);
    MUST(sigaction(SIGFPE, &action, nullptr) == 0);
    int left = 0;
    run_threads(3, [&](int) {
        for (volatile int i = 0; i < 20;) {
            if (sigsetjmp(out, 1) == 0) {
                if (i % 2 == 0)
                    pthread_kill(pthread_self(), SIGUSR1);
                else
                    asm volatile("xorl %%ecx, %%ecx\n\tmovl $1, %%eax\n\tcltd\n\tidivl %%ecx" ::
                                     : "eax", "ecx", "edx", "cc");
                MUST(!"came here");
            }
            add(left, 1);
            i = i + 1;
        }
    });
    std::printf("left %d handlers\n", left);
}
