// SPDX-License-Identifier: GPL-2.0-or-later
// A thread that binds itself to a CPU it may use is there afterwards.
#include "program.h"

int main() {
    cpu_set_t allowed;
    MUST(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    MUST(CPU_COUNT(&allowed) >= 1 && sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    int right = 0, kept = 0, cpus = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        ++cpus;
        run_threads(1, [&](int) {
            cpu_set_t one, seen;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            MUST(sched_setaffinity(0, sizeof one, &one) == 0);
            MUST(sched_getaffinity(0, sizeof seen, &seen) == 0);
            kept += CPU_EQUAL(&one, &seen);
            right += sched_getcpu() == cpu;
        });
    }
    cpu_set_t none;
    CPU_ZERO(&none);
    std::printf("right %d kept %d, none: %s\n", right == cpus, kept == cpus,
                sched_setaffinity(0, sizeof none, &none) == -1 ? std::strerror(errno) : "bound");
}
