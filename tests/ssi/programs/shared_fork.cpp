// SPDX-License-Identifier: GPL-2.0-or-later
// Memory shared with a child: counters and a process-shared mutex in it.
#include <sys/mman.h>
#include <sys/wait.h>

#include "program.h"

struct Shared {
    pthread_mutex_t mutex;
    long locked, atomic;
};

int main() {
    auto* shared = static_cast<Shared*>(
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    MUST(shared != MAP_FAILED);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&shared->mutex, &attributes);
    const auto work = [&](int) {
        for (int i = 0; i < 1000; ++i) {
            pthread_mutex_lock(&shared->mutex);
            ++shared->locked;
            pthread_mutex_unlock(&shared->mutex);
            add(shared->atomic, 1L);
        }
    };
    const pid_t child = fork();
    MUST(child >= 0);
    run_threads(2, work);
    if (child == 0) _exit(0);
    int status;
    MUST(waitpid(child, &status, 0) == child);
    std::printf("locked %ld atomic %ld child %d\n", shared->locked, shared->atomic,
                WEXITSTATUS(status));
}
