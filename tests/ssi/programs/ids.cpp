// SPDX-License-Identifier: GPL-2.0-or-later
// Thread numbers differ, the process's is one; both are in /proc.
#include <dirent.h>
#include <sys/stat.h>

#include "program.h"

int main() {
    constexpr int threads = 5;
    int tids[threads] = {}, pids[threads], parents[threads];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, threads);
    int listed = 0, found = 0;
    run_threads(threads, [&](int me) {
        tids[me] = own_tid();
        pids[me] = getpid();
        parents[me] = getppid();
        pthread_barrier_wait(&barrier);
        if (me == 3) {
            DIR* folder = opendir("/proc/self/task");
            MUST(folder != nullptr);
            while (dirent* entry = readdir(folder)) {
                const int tid = std::atoi(entry->d_name);
                if (tid == 0) continue;
                ++listed;
                for (int each : tids) found += each == tid;
            }
            closedir(folder);
            char name[64];
            struct stat status;
            std::snprintf(name, sizeof name, "/proc/%d/task/%d", getpid(), tids[1]);
            MUST(stat(name, &status) == 0);
        }
        pthread_barrier_wait(&barrier);
    });
    bool different = true, one_process = true;
    for (int i = 0; i < threads; ++i) {
        one_process = one_process && pids[i] == getpid() && parents[i] == getppid();
        for (int j = 0; j < i; ++j) different = different && tids[i] != tids[j];
        different = different && tids[i] != getpid();
    }
    std::printf("different %d, one process %d, tasks listed %d, of ours %d\n", different,
                one_process, listed, found);
    std::printf("first thread's number is the process's: %d\n", own_tid() == getpid());
}
