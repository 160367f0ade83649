// SPDX-License-Identifier: GPL-2.0-or-later
// EP after the published rules of the NAS parallel benchmarks: Gaussian deviates, counted in rings.
//
// ep [CLASS [THREADS]]: class S, W, A or B. 2^M pairs of uniform deviates from x[k+1] = 5^13 x[k]
// mod 2^46 with x[0] = 271828183; pairs inside the unit circle give two Gaussian deviates by the
// polar method; the sums of both and the number of pairs in each ring are compared with the
// published sums.
#include <cmath>

#include "program.h"

namespace {

constexpr double two_to_minus_46 = 1.0 / double(std::uint64_t{1} << 46);
constexpr std::uint64_t mask = (std::uint64_t{1} << 46) - 1, multiplier = 1220703125,
                        seed = 271828183;
constexpr int block_pairs_log = 16;

/// multiplier^exponent mod 2^46
std::uint64_t power(std::uint64_t exponent) {
    std::uint64_t result = 1, base = multiplier;
    for (; exponent != 0; exponent >>= 1) {
        if ((exponent & 1) != 0) result = result * base & mask;
        base = base * base & mask;
    }
    return result;
}

struct Sums {
    double x = 0, y = 0;
    long rings[10] = {};
};

void block(long number, Sums& sums) {
    constexpr long pairs = 1L << block_pairs_log;
    std::uint64_t state = seed * power(std::uint64_t(number) * 2 * pairs) & mask;
    for (long i = 0; i < pairs; ++i) {
        state = state * multiplier & mask;
        const double x = 2 * (double(state) * two_to_minus_46) - 1;
        state = state * multiplier & mask;
        const double y = 2 * (double(state) * two_to_minus_46) - 1;
        const double t = x * x + y * y;
        if (t > 1) continue;
        const double factor = std::sqrt(-2 * std::log(t) / t);
        const double gx = x * factor, gy = y * factor;
        ++sums.rings[int(std::fmax(std::fabs(gx), std::fabs(gy)))];
        sums.x += gx;
        sums.y += gy;
    }
}

struct Class {
    char name;
    int log_pairs;
    double x, y;
};
constexpr Class classes[] = {{'S', 24, -3.247834652034740e3, -6.958407078382297e3},
                             {'W', 25, -2.863319731645753e3, -6.320053679109499e3},
                             {'A', 28, -4.295875165629892e3, -1.580732573678431e4},
                             {'B', 30, 4.033815542441498e4, -2.660669192809235e4}};

}  // namespace

int main(int argc, char** argv) {
    const char name = argc > 1 ? argv[1][0] : 'S';
    const auto threads = int(number_argument(argc, argv, 2, 2));
    for (const Class& each : classes) {
        if (each.name != name) continue;
        const long blocks = 1L << (each.log_pairs - block_pairs_log);
        // Blocks are given out evenly and summed in order: the result does not depend on the
        // threads.
        auto* sums = new Sums[std::size_t(blocks)];
        run_threads(threads, [&](int me) {
            const long begin = blocks * me / threads, end = blocks * (me + 1) / threads;
            for (long i = begin; i < end; ++i) {
                Sums mine;
                block(i, mine);
                sums[i] = mine;
            }
        });
        Sums total;
        for (long i = 0; i < blocks; ++i) {
            total.x += sums[i].x;
            total.y += sums[i].y;
            for (int ring = 0; ring < 10; ++ring) total.rings[ring] += sums[i].rings[ring];
        }
        delete[] sums;
        const bool right = std::fabs((total.x - each.x) / each.x) < 1e-8 &&
                           std::fabs((total.y - each.y) / each.y) < 1e-8;
        long pairs = 0;
        for (long ring : total.rings) pairs += ring;
        std::printf("class %c: sums %.12e %.12e, %ld pairs, %s\n", name, total.x, total.y, pairs,
                    right ? "as published" : "NOT AS PUBLISHED");
        for (long ring : total.rings) std::printf("%ld ", ring);
        std::printf("\n");
        return right ? 0 : 1;
    }
    std::fprintf(stderr, "usage: ep [S|W|A|B [THREADS]]\n");
    return 2;
}
