// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the small programs share. Each shows one behaviour, prints what does not depend on timing,
// and is right on any Linux: its output and exit status are compared between a native run and one
// whose threads are spread over several machines, of which it knows nothing.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

[[noreturn]] inline void failed(const char* what, const char* file, int line) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s:%d: not so: %s (errno: %s)\n", file, line, what, std::strerror(errno));
    _exit(1);
}
#define MUST(condition) ((condition) ? (void)0 : failed(#condition, __FILE__, __LINE__))

/// A thread that runs `body(number)`; joined by join().
template <typename Body>
class Thread {
  public:
    void start(const Body& body, int number) {
        body_ = &body;
        number_ = number;
        MUST(pthread_create(&thread_, nullptr, &Thread::main, this) == 0);
    }
    void join() { MUST(pthread_join(thread_, nullptr) == 0); }
    pthread_t id() const { return thread_; }

  private:
    static void* main(void* self) {
        auto* thread = static_cast<Thread*>(self);
        (*thread->body_)(thread->number_);
        return nullptr;
    }
    const Body* body_ = nullptr;
    int number_ = 0;
    pthread_t thread_{};
};

/// `count` threads at the same time, each with its number; returns when all have ended.
template <typename Body>
void run_threads(int count, const Body& body) {
    auto* threads = new Thread<Body>[std::size_t(count)];
    for (int i = 0; i < count; ++i) threads[i].start(body, i);
    for (int i = 0; i < count; ++i) threads[i].join();
    delete[] threads;
}

inline long number_argument(int argc, char** argv, int which, long otherwise) {
    return argc > which ? std::strtol(argv[which], nullptr, 10) : otherwise;
}

inline std::int64_t now(clockid_t clock = CLOCK_MONOTONIC) {
    timespec time;
    MUST(clock_gettime(clock, &time) == 0);
    return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

/// Until it is so, or ten seconds have gone by.
template <typename Condition>
bool becomes(const Condition& condition) {
    const std::int64_t deadline = now() + 10'000'000'000;
    while (!condition()) {
        if (now() > deadline) return false;
        sched_yield();
    }
    return true;
}

/// Plain words that threads hand to each other.
template <typename T>
T get(const T& word) {
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
template <typename T>
void set(T& word, T value) {
    __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
template <typename T>
T add(T& word, T value) {
    return __atomic_fetch_add(&word, value, __ATOMIC_ACQ_REL);
}

/// An address where nothing is, and the compiler does not know.
inline void* nowhere() {
    void* address = reinterpret_cast<void*>(16);
    asm volatile("" : "+r"(address));
    return address;
}

inline int own_tid() { return int(syscall(SYS_gettid)); }
