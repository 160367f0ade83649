// SPDX-License-Identifier: GPL-2.0-or-later
// A thread that blocks every signal, faults among them, uses memory that another process shares.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "program.h"

int main() {
    auto* word = static_cast<long*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    MUST(word != MAP_FAILED);
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        const bool came = becomes([&] { return get(*word) == 2; });
        _exit(came ? 3 : 4);
    }
    sigset_t all, after;
    sigfillset(&all);
    run_threads(2, [&](int) {
        MUST(pthread_sigmask(SIG_SETMASK, &all, nullptr) == 0);
        add(*word, 1L);
        MUST(pthread_sigmask(SIG_SETMASK, nullptr, &after) == 0);
        MUST(sigismember(&after, SIGSEGV) == 1 && sigismember(&after, SIGFPE) == 1);
    });
    int status;
    MUST(waitpid(child, &status, 0) == child);
    std::printf("%ld, child %d\n", *word, WEXITSTATUS(status));
}
