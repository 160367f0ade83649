// SPDX-License-Identifier: GPL-2.0-or-later
// A blocked product of matrices of doubles.
//
// dgemm [N [THREADS]]: checked by multiplying the result with a vector (Freivalds).
#include <algorithm>
#include <cmath>
#include <vector>

#include "program.h"

int main(int argc, char** argv) {
    const long n = number_argument(argc, argv, 1, 256);
    const auto threads = int(number_argument(argc, argv, 2, 2));
    const auto size = std::size_t(n * n);
    std::vector<double> a(size), b(size), c(size);
    for (long i = 0; i < n * n; ++i) {
        a[std::size_t(i)] = double((i * 7 + i / n) % 19 - 9);
        b[std::size_t(i)] = double((i * 5 + i / n) % 23 - 11);
    }
    constexpr long block = 64;
    run_threads(threads, [&](int me) {
        const long begin = n * me / threads, end = n * (me + 1) / threads;
        for (long kk = 0; kk < n; kk += block)
            for (long jj = 0; jj < n; jj += 4 * block)
                for (long i = begin; i < end; ++i) {
                    double* out = &c[std::size_t(i * n)];
                    for (long k = kk; k < std::min(kk + block, n); ++k) {
                        const double factor = a[std::size_t(i * n + k)];
                        const double* in = &b[std::size_t(k * n)];
                        const long last = std::min(jj + 4 * block, n);
                        for (long j = jj; j < last; ++j) out[j] += factor * in[j];
                    }
                }
    });
    std::vector<double> v(static_cast<std::size_t>(n)), bv(v), abv(v), cv(v);
    for (long i = 0; i < n; ++i) v[std::size_t(i)] = double(i % 3);
    const auto multiply = [&](const std::vector<double>& m, const std::vector<double>& x,
                              std::vector<double>& y) {
        for (long i = 0; i < n; ++i)
            for (long j = 0; j < n; ++j)
                y[std::size_t(i)] += m[std::size_t(i * n + j)] * x[std::size_t(j)];
    };
    multiply(b, v, bv);
    multiply(a, bv, abv);
    multiply(c, v, cv);
    double sum = 0;
    for (double value : c) sum += value;
    std::printf("n %ld sum %.1f %s\n", n, sum, abv == cv ? "right" : "WRONG");
    return abv == cv ? 0 : 1;
}
