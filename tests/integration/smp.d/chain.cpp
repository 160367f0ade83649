// SPDX-License-Identifier: GPL-2.0-or-later
// A computation by OpenMP of which each round depends on all before it; one line for each.
//
// chain ROUNDS THREADS
#include <omp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int, char** argv) {
    const int rounds = std::atoi(argv[1]);
    omp_set_num_threads(std::atoi(argv[2]));
    constexpr long size = 4096;
    std::vector<std::uint64_t> now(size, 1), next(size);
    for (int round = 1; round <= rounds; ++round) {
#pragma omp parallel for schedule(static)
        for (long i = 0; i < size; ++i) {
            std::uint64_t x = now[std::size_t(i)] ^ now[std::size_t((i * 31 + round) % size)];
            for (int turn = 0; turn < 3000; ++turn) {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x += std::uint64_t(i);
            }
            next[std::size_t(i)] = x;
        }
        now.swap(next);
        std::uint64_t sum = 0;
        for (const auto value : now) sum = sum * 31 + value;
        std::printf("round %d %016llx\n", round, static_cast<unsigned long long>(sum));
        std::fflush(stdout);
    }
}
