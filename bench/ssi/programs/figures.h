// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the programs of bench/ssi share: how they print what they measured.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "program.h"

inline double percentile(std::vector<std::int64_t> values, double part) {
    std::sort(values.begin(), values.end());
    return double(values[std::size_t(double(values.size() - 1) * part)]) / 1000;
}

inline void print_times(const char* name, const std::vector<std::int64_t>& nanoseconds) {
    std::printf("%s %.3f us p90 %.3f\n", name, percentile(nanoseconds, 0.5),
                percentile(nanoseconds, 0.9));
    std::fflush(stdout);
}
