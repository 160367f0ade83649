// SPDX-License-Identifier: GPL-2.0-or-later
// CPU time that a child's threads have used is its parent's to see when the child has ended,
// however it did, and was waited for; so is what a child of the child has used.
#include <signal.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/wait.h>

#include "program.h"

namespace {

constexpr int threads = 3;
constexpr std::int64_t each = 150'000'000;

long milliseconds(const rusage& usage) {
    return usage.ru_utime.tv_sec * 1000 + usage.ru_utime.tv_usec / 1000 +
           usage.ru_stime.tv_sec * 1000 + usage.ru_stime.tv_usec / 1000;
}

long children_ms() {
    rusage usage;
    MUST(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return milliseconds(usage);
}

long children_ticks() {
    tms times_of;
    MUST(times(&times_of) != -1);
    return times_of.tms_cutime + times_of.tms_cstime;
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

// No part of it can say anything.
void by_signal() {
    static int computed;
    run_threads(threads, [](int) {
        compute();
        if (add(computed, 1) == threads - 1) kill(getpid(), SIGKILL);
        for (;;) pause();
    });
}

void by_another_program() {
    run_threads(threads, [](int) { compute(); });
    execl("/bin/true", "true", static_cast<char*>(nullptr));
    _exit(1);
}

// At least 400 of 450, and what an emulated machine needs to make it.
bool whole(long used) { return used >= 400 && used < 5000; }

// A child that ends so: what it adds to the sum, and what a wait for it says.
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
    rusage usage;
    MUST(wait4(child, nullptr, 0, &usage) == child);
    std::printf("%s: %d %d\n", how, whole(milliseconds(usage)), whole(children_ms() - before));
    std::fflush(stdout);
}

void run_with_waitid() {
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) by_return();
    siginfo_t information{};
    rusage usage{};
    MUST(syscall(SYS_waitid, P_PID, child, &information, WEXITED | WNOWAIT, &usage) == 0);
    const bool left = whole(milliseconds(usage));
    MUST(syscall(SYS_waitid, P_PID, child, &information, WEXITED, &usage) == 0);
    MUST(information.si_pid == child);
    std::printf("waitid: %d %d\n", left, whole(milliseconds(usage)));
    std::fflush(stdout);
}

}  // namespace

int main() {
    run("a child that returns from main", by_return, false);
    run("a child that a thread ends", by_exit_of_the_last_thread, false);
    run("a child whose threads all end", by_end_of_all_threads, false);
    run("a child that a signal kills", by_signal, false);
    run("a child that executes another program", by_another_program, false);
    run("a child's child", by_return, true);
    run("a child's child that a signal kills", by_signal, true);
    run_with_waitid();
    rusage of_nothing;
    MUST(wait4(-1, nullptr, 0, &of_nothing) == -1 && errno == ECHILD);
    const pid_t idle = fork();
    if (idle == 0) _exit(0);
    MUST(wait4(idle, nullptr, 0, &of_nothing) == idle);
    std::printf("one that does nothing has nothing of the others': %d\n",
                milliseconds(of_nothing) < 100);
    // A program that has threads itself sees the same, in whichever of them.
    static int seen, seen_in_ticks, seen_by_wait;
    run_threads(2, [](int) {
        add(seen, children_ms() >= 3200 ? 1 : 0);
        add(seen_in_ticks, children_ticks() >= 320 ? 1 : 0);
        const pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) by_signal();
        rusage usage;
        MUST(wait4(child, nullptr, 0, &usage) == child);
        add(seen_by_wait, whole(milliseconds(usage)) ? 1 : 0);
    });
    std::printf("threads of the parent: %d %d %d\n", seen == 2, seen_in_ticks == 2,
                seen_by_wait == 2);
    std::fflush(stdout);
    run("a child of a program with threads", by_return, false);
}
