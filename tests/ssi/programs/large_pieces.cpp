// SPDX-License-Identifier: GPL-2.0-or-later
// Files written and read in pieces around the sizes up to which a message carries them, by threads
// that come and go.
#include <sys/mman.h>

#include <vector>

#include "program.h"

namespace {

constexpr std::size_t sizes[] = {(128 << 10) - 64,      (128 << 10) - 63, (128 << 10) + 1,
                                 (1 << 20) - 1,         1 << 20,          (1 << 20) + 4096 - 64,
                                 (1 << 20) + 4096 - 63, (2 << 20) + 5};

unsigned char pattern(std::size_t i, int who) {
    return static_cast<unsigned char>((i * 2654435761U >> 13) + static_cast<unsigned>(who) * 7);
}

}  // namespace

int main(int argc, char** argv) {
    const long rounds = number_argument(argc, argv, 1, 2);
    const int file = memfd_create("pieces", 0);
    MUST(file >= 0);
    int different = 0;
    for (long round = 0; round < rounds; ++round)
        run_threads(4, [&](int me) {
            for (const std::size_t size : sizes) {
                std::vector<unsigned char> out(size), in(size);
                for (std::size_t i = 0; i < size; ++i) out[i] = pattern(i, me);
                const off_t at = me * (4L << 20);
                MUST(pwrite(file, out.data(), size, at) == static_cast<long>(size));
                MUST(pread(file, in.data(), size, at) == static_cast<long>(size));
                if (in != out) __atomic_add_fetch(&different, 1, __ATOMIC_RELAXED);
            }
        });
    std::printf("%d of %zu pieces are different\n", different, 4 * std::size(sizes) * rounds);
    return different != 0;
}
