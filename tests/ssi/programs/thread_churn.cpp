// SPDX-License-Identifier: GPL-2.0-or-later
// Several hundred threads, made and joined in waves.
#include "program.h"

int main(int argc, char** argv) {
    const long waves = number_argument(argc, argv, 1, 20);
    long total = 0;
    for (long wave = 0; wave < waves; ++wave)
        run_threads(10, [&](int i) {
            int local[64];
            for (int j = 0; j < 64; ++j) local[j] = i + j;
            add(total, long{local[63]});
        });
    std::printf("%ld threads, total %ld\n", waves * 10, total);
}
