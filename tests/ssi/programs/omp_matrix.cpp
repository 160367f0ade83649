// SPDX-License-Identifier: GPL-2.0-or-later
// OpenMP: a product of matrices, row by row, against the same by one thread.
#include <omp.h>

#include <vector>

#include "program.h"

int main(int argc, char** argv) {
    const long n = number_argument(argc, argv, 1, 300);
    omp_set_num_threads(4);
    std::vector<double> a(std::size_t(n * n)), b(a.size()), c(a.size()), d(a.size());
    for (long i = 0; i < n * n; ++i) {
        a[std::size_t(i)] = double(i % 17) - 8;
        b[std::size_t(i)] = double(i % 13) / 4;
    }
    const auto row = [&](std::vector<double>& out, long i) {
        for (long k = 0; k < n; ++k)
            for (long j = 0; j < n; ++j)
                out[std::size_t(i * n + j)] +=
                    a[std::size_t(i * n + k)] * b[std::size_t(k * n + j)];
    };
#pragma omp parallel for schedule(dynamic, 8)
    for (long i = 0; i < n; ++i) row(c, i);
    for (long i = 0; i < n; ++i) row(d, i);
    double trace = 0;
    for (long i = 0; i < n; ++i) trace += c[std::size_t(i * n + i)];
    std::printf("trace %.3f, the same %d\n", trace, c == d);
    return c == d ? 0 : 1;
}
