// SPDX-License-Identifier: GPL-2.0-or-later
// Memory allocated by one thread, filled by a second, checked and freed by a third.
#include "program.h"

struct Block {
    unsigned char* data;
    std::size_t size;
    unsigned char pattern;
};

int main(int argc, char** argv) {
    const long rounds = number_argument(argc, argv, 1, 30);
    constexpr int threads = 4, blocks = 40;
    static Block held[threads][blocks];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, threads);
    long wrong = 0, bytes = 0;
    run_threads(threads, [&](int me) {
        unsigned random = unsigned(me) * 7919 + 1;
        for (long round = 0; round < rounds; ++round) {
            for (Block& block : held[me]) {
                random = random * 1664525 + 1013904223;
                block.size = (random >> 8) % (random >> 28 == 0 ? 300'000 : 3000) + 1;
                block.data = static_cast<unsigned char*>(std::malloc(block.size));
                block.pattern = static_cast<unsigned char>(random >> 16);
                MUST(block.data != nullptr);
            }
            pthread_barrier_wait(&barrier);
            for (Block& block : held[(me + 1) % threads]) {
                std::memset(block.data, block.pattern, block.size);
                if (block.pattern % 3 == 0) {
                    block.data =
                        static_cast<unsigned char*>(std::realloc(block.data, block.size * 2));
                    MUST(block.data != nullptr);
                }
            }
            pthread_barrier_wait(&barrier);
            for (Block& block : held[(me + 2) % threads]) {
                for (std::size_t i = 0; i < block.size; i += 97)
                    if (block.data[i] != block.pattern) add(wrong, 1L);
                add(bytes, long(block.size));
                std::free(block.data);
            }
            pthread_barrier_wait(&barrier);
        }
    });
    std::printf("%ld bytes, wrong %ld\n", bytes, wrong);
    return wrong == 0 ? 0 : 1;
}
