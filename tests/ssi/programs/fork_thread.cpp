// SPDX-License-Identifier: GPL-2.0-or-later
// fork from a thread: the child has all memory as it was, one thread, and its own copy.
#include <sys/mman.h>
#include <sys/wait.h>

#include "program.h"

int main() {
    constexpr std::size_t page = 4096, pages = 48;
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    int codes[3] = {};
    run_threads(3, [&](int me) {
        for (int round = 0; round < 3; ++round) {
            for (std::size_t i = std::size_t(me); i < pages; i += 3)
                area[i * page] = static_cast<unsigned char>(i + std::size_t(round) * 50);
            pthread_barrier_wait(&barrier);
            if (me == round) {
                const pid_t parent = getpid();
                const pid_t child = fork();
                MUST(child >= 0);
                if (child == 0) {
                    if (getppid() != parent || getpid() == parent || own_tid() != getpid())
                        _exit(100);
                    for (std::size_t i = 0; i < pages; ++i) {
                        if (area[i * page] !=
                            static_cast<unsigned char>(i + std::size_t(round) * 50))
                            _exit(101);
                        area[i * page] = 255;
                    }
                    _exit(40 + me);
                }
                int status = 0;
                MUST(waitpid(child, &status, 0) == child);
                MUST(WIFEXITED(status));
                codes[me] = WEXITSTATUS(status);
                for (std::size_t i = 0; i < pages; ++i) MUST(area[i * page] != 255);
            }
            pthread_barrier_wait(&barrier);
        }
    });
    std::printf("children ended with %d %d %d\n", codes[0], codes[1], codes[2]);
}
