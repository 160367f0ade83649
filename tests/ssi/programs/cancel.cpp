// SPDX-License-Identifier: GPL-2.0-or-later
// Cancellation: at a condition wait, in read, asynchronously in a loop; handlers run inside out.
#include "program.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static char order[8];
static int order_length, started;
static int pipe_ends[2];

static void note(void* what) { order[order_length++] = *static_cast<const char*>(what); }
static void unlock(void*) { pthread_mutex_unlock(&mutex); }

static void* waits(void*) {
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(note, const_cast<char*>("b"));
    pthread_cleanup_push(note, const_cast<char*>("a"));
    pthread_cleanup_push(unlock, nullptr);
    set(started, 1);
    for (;;) pthread_cond_wait(&never, &mutex);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
}
static void* reads(void*) {
    char byte;
    set(started, 2);
    MUST(read(pipe_ends[0], &byte, 1) != 1);
    return nullptr;
}
static void* computes(void*) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
    set(started, 3);
    for (volatile long i = 0;;) i = i + 1;
}
static void* refuses(void*) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    set(started, 4);
    for (int i = 0; i < 1000; ++i) sched_yield();
    pthread_testcancel();
    return reinterpret_cast<void*>(std::intptr_t{42});
}

static void try_one(const char* name, void* (*body)(void*), int number) {
    pthread_t thread;
    MUST(pthread_create(&thread, nullptr, body, nullptr) == 0);
    MUST(becomes([&] { return get(started) == number; }));
    MUST(pthread_cancel(thread) == 0);
    void* result;
    MUST(pthread_join(thread, &result) == 0);
    std::printf("%s: %s\n", name, result == PTHREAD_CANCELED ? "canceled" : "returned");
}

int main() {
    MUST(pipe(pipe_ends) == 0);
    try_one("waits", waits, 1);
    try_one("reads", reads, 2);
    try_one("computes", computes, 3);
    try_one("refuses", refuses, 4);
    std::printf("handlers %s, mutex %s\n", order,
                pthread_mutex_trylock(&mutex) == 0 ? "free" : "held");
}
