// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that compute are bound by another thread, time and again, and are soon where they should
// be; one that binds itself is there at once.
#include <atomic>
#include <thread>
#include <vector>

#include "program.h"

int main() {
    cpu_set_t allowed;
    MUST(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);

    constexpr int count = 3, rounds = 6;
    std::atomic<int> where[count];
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
        threads.emplace_back([&, i] {
            while (!over) where[i] = sched_getcpu();
        });
    int bound = 0, arrived = 0;
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < count; ++i) {
            const int cpu = cpus[std::size_t(i + round) % cpus.size()];
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            bound += pthread_setaffinity_np(threads[std::size_t(i)].native_handle(), sizeof one,
                                            &one) == 0;
            where[i] = -1;
            const std::int64_t deadline = now(CLOCK_MONOTONIC) + 5'000'000'000;
            while (where[i] != cpu && now(CLOCK_MONOTONIC) < deadline) sched_yield();
            arrived += where[i] == cpu;
        }
    }
    int hops = 0;
    for (int i = 0; i < 40; ++i) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpus[std::size_t(i) % cpus.size()], &one);
        MUST(sched_setaffinity(0, sizeof one, &one) == 0);
        hops += sched_getcpu() == cpus[std::size_t(i) % cpus.size()];
    }
    over = true;
    for (std::thread& thread : threads) thread.join();
    std::printf("bound %d, arrived %d, hops %d\n", bound, arrived, hops);
}
