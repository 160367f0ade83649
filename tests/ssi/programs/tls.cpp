// SPDX-License-Identifier: GPL-2.0-or-later
// Thread-local variables, plain, with a constructor, and by key with a destructor.
#include "program.h"

static long destroyed;

struct Counted {
    long value = 7;
    ~Counted() { add(destroyed, value); }
};
static thread_local int plain = 5;
static thread_local char zero[10000];
static thread_local Counted counted;
static pthread_key_t key;

int main() {
    long by_key = 0;
    static long* sum = &by_key;
    pthread_key_create(&key, [](void* value) {
        add(*sum, long(*static_cast<int*>(value)));
        delete static_cast<int*>(value);
    });
    int seen[6];
    run_threads(6, [&](int i) {
        MUST(plain == 5 && zero[9999] == 0 && pthread_getspecific(key) == nullptr);
        plain += i;
        zero[9999] = char(i);
        counted.value += i;
        pthread_setspecific(key, new int(i * 10));
        sched_yield();
        MUST(zero[9999] == i);
        seen[i] = plain;
    });
    for (int value : seen) std::printf("%d ", value);
    std::printf("own %d destroyed %ld keys %ld\n", plain, destroyed, by_key);
}
