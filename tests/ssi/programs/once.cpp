// SPDX-License-Identifier: GPL-2.0-or-later
// pthread_once and a static with a constructor: once each, however many come.
#include "program.h"

static int calls, constructed;
struct Slow {
    Slow() {
        for (int i = 0; i < 100; ++i) sched_yield();
        add(constructed, 1);
    }
};
static Slow& instance() {
    static Slow slow;
    return slow;
}

int main() {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    run_threads(8, [&](int) {
        pthread_once(&once, [] {
            for (int i = 0; i < 100; ++i) sched_yield();
            add(calls, 1);
        });
        MUST(get(calls) == 1);
        instance();
        MUST(get(constructed) == 1);
    });
    std::printf("called %d constructed %d\n", calls, constructed);
}
