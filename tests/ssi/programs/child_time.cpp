// SPDX-License-Identifier: GPL-2.0-or-later
// CPU time that a child's threads have used is its parent's to see when the child has ended,
// however it did, and was waited for; so is what a child of the child has used.
#include <sys/resource.h>
#include <sys/wait.h>

#include "program.h"

namespace {

constexpr int threads = 3;
constexpr std::int64_t each = 150'000'000;

long children_ms() {
    rusage usage;
    MUST(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
           usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
}

void compute() {
    const std::int64_t begin = now(CLOCK_THREAD_CPUTIME_ID);
    volatile long work = 0;
    while (now(CLOCK_THREAD_CPUTIME_ID) - begin < each)
        for (int i = 0; i < 1000; ++i) work = work + i;
}

void by_return() {
    run_threads(threads, [](int) { compute(); });
    std::exit(0);
}

void by_exit_of_the_last_thread() {
    static int computed;
    run_threads(threads, [](int) {
        compute();
        if (add(computed, 1) == threads - 1) std::exit(0);
        for (;;) pause();
    });
}

void by_end_of_all_threads() {
    const auto body = [](int) { compute(); };
    auto* thread = new Thread<decltype(body)>[threads];
    for (int i = 0; i < threads; ++i) thread[i].start(body, i);
    pthread_exit(nullptr);
}

// A child that ends so: what it adds, in ms, at least 400 of 450, and what an emulated machine
// needs to make it.
void run(const char* how, void (*end)(), bool below_another) {
    const long before = children_ms();
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0 && below_another) {
        const pid_t grandchild = fork();
        MUST(grandchild >= 0);
        if (grandchild == 0) end();
        MUST(waitpid(grandchild, nullptr, 0) == grandchild);
        _exit(0);
    }
    if (child == 0) end();
    MUST(waitpid(child, nullptr, 0) == child);
    const long used = children_ms() - before;
    std::printf("%s: %d\n", how, used >= 400 && used < 5000);
    std::fflush(stdout);
}

}  // namespace

int main() {
    run("a child that returns from main", by_return, false);
    run("a child that a thread ends", by_exit_of_the_last_thread, false);
    run("a child whose threads all end", by_end_of_all_threads, false);
    run("a child's child", by_return, true);
    // A program that has threads itself sees the same, in whichever of them.
    static int seen;
    run_threads(2, [](int) { add(seen, children_ms() >= 1600 ? 1 : 0); });
    std::printf("threads of the parent: %d\n", seen == 2);
    std::fflush(stdout);
    run("a child of a program with threads", by_return, false);
}
