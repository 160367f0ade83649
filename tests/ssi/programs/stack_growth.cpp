// SPDX-License-Identifier: GPL-2.0-or-later
// Deep recursion in threads, and of the first thread while others live.
#include "program.h"

static long deep(long levels, volatile char* above) {
    volatile char frame[1024];
    frame[0] = char(levels);
    frame[1023] = above == nullptr ? char(0) : char(above[0] + 1);
    if (levels == 0) return 0;
    return deep(levels - 1, frame) + (frame[0] == char(levels)) +
           (above == nullptr || frame[1023] == char(above[0] + 1));
}

int main() {
    long results[3];
    bool in_main = false;
    run_threads(3, [&](int me) {
        results[me] = deep(2000 + me * 1000, nullptr);
        if (me == 2) set(in_main, true);
    });
    const auto waits = [&](int) { MUST(becomes([&] { return !get(in_main); })); };
    Thread<decltype(waits)> other;
    other.start(waits, 0);
    const long main_result = deep(6000, nullptr);
    set(in_main, false);
    other.join();
    std::printf("%ld %ld %ld, first thread %ld\n", results[0], results[1], results[2], main_result);
}
