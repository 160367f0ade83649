// SPDX-License-Identifier: GPL-2.0-or-later
// OpenMP: pi by reduction, schedules, tasks, criticals, single, ordered.
#include <omp.h>

#include "program.h"

static long fibonacci(int n) {
    if (n < 2) return n;
    long a, b;
#pragma omp task shared(a) if (n > 8)
    a = fibonacci(n - 1);
#pragma omp task shared(b) if (n > 8)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

int main(int argc, char** argv) {
    const long steps = number_argument(argc, argv, 1, 2'000'000);
    omp_set_num_threads(4);
    double sum = 0;
#pragma omp parallel for reduction(+ : sum) schedule(static)
    for (long i = 0; i < steps; ++i) {
        const double x = (double(i) + 0.5) / double(steps);
        sum += 4 / (1 + x * x);
    }
    std::printf("pi %.9f\n", sum / double(steps));
    long in_order[20], place = 0, critical = 0, singles = 0, dynamic = 0, result = 0;
#pragma omp parallel
    {
#pragma omp single
        ++singles;
#pragma omp for ordered schedule(dynamic, 1)
        for (int i = 0; i < 20; ++i) {
#pragma omp ordered
            in_order[place++] = i;
        }
#pragma omp for schedule(dynamic, 3) reduction(+ : dynamic)
        for (int i = 0; i < 1000; ++i) dynamic += i;
        for (int i = 0; i < 50; ++i) {
#pragma omp critical
            ++critical;
        }
#pragma omp barrier
#pragma omp single
        result = fibonacci(14);
    }
    bool ordered = true;
    for (int i = 0; i < 20; ++i) ordered = ordered && in_order[i] == i;
    std::printf("ordered %d critical %ld singles %ld dynamic %ld fibonacci %ld\n", ordered,
                critical, singles, dynamic, result);
}
