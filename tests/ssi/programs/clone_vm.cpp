// SPDX-License-Identifier: GPL-2.0-or-later
// Child processes that share the memory and end by exit(2): the threads of their parent go on.
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "program.h"

namespace {
unsigned ran;

int child(void* number) {
    add(ran, 1U);
    return int(reinterpret_cast<std::uintptr_t>(number));
}
}  // namespace

int main() {
    pthread_barrier_t all;
    MUST(pthread_barrier_init(&all, nullptr, 3) == 0);
    unsigned sum = 0;
    run_threads(3, [&](int me) {
        constexpr std::size_t size = 64 * 1024;
        auto* stack = static_cast<char*>(std::malloc(size));
        for (int i = 0; i < 4; ++i) {
            const auto number = std::uintptr_t(me * 4 + i);
            const pid_t pid =
                clone(child, stack + size, CLONE_VM | SIGCHLD, reinterpret_cast<void*>(number));
            MUST(pid > 0);
            int status = 0;
            MUST(waitpid(pid, &status, 0) == pid);
            MUST(WIFEXITED(status) && WEXITSTATUS(status) == int(number));
        }
        std::free(stack);
        // One after the other ends; the last is not taken for an earlier one.
        pthread_barrier_wait(&all);
        add(sum, unsigned(me + 1));
    });
    std::printf("%u children, sum %u\n", ran, sum);
}
