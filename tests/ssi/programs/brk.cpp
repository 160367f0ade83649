// SPDX-License-Identifier: GPL-2.0-or-later
// The heap's end moved by several threads in turn.
#include "program.h"

int main() {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    auto* begin = static_cast<unsigned char*>(sbrk(0));
    unsigned char* pieces[4][5];
    run_threads(4, [&](int me) {
        for (auto& piece : pieces[me]) {
            pthread_mutex_lock(&mutex);
            piece = static_cast<unsigned char*>(sbrk(12 * 1024));
            pthread_mutex_unlock(&mutex);
            MUST(piece != reinterpret_cast<void*>(-1));
            std::memset(piece, me + 1, 12 * 1024);
        }
    });
    long wrong = 0;
    run_threads(4, [&](int me) {
        for (auto* piece : pieces[(me + 1) % 4])
            for (int i = 0; i < 12 * 1024; ++i)
                if (piece[i] != (me + 1) % 4 + 1) add(wrong, 1L);
    });
    MUST(sbrk(-20 * 12 * 1024) != reinterpret_cast<void*>(-1));
    const bool back = sbrk(0) == begin;
    MUST(sbrk(8192) == begin);
    run_threads(1, [&](int) {
        for (int i = 0; i < 8192; ++i)
            if (begin[i] != 0) add(wrong, 1L);
    });
    std::printf("back %d wrong %ld\n", back, wrong);
    return wrong == 0 && back ? 0 : 1;
}
