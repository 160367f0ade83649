// SPDX-License-Identifier: GPL-2.0-or-later
//
// Ways to execute a program, each under its name; the program is ENTERED: a shell's grep that ends
// with 0 when a runtime is in it.
//   ssi-test-execs thread      from a thread that is not the first, with others running
//   ssi-test-execs vfork       from a vfork child
//   ssi-test-execs failing     after 1000 execs that fail, in each of which nothing may change
//   ssi-test-execs signals     while a timer's signals come every 50 microseconds; 300 times
//   ssi-test-execs traced      as the tracee of its parent
//   ssi-test-execs parallel    40 processes at once, 20 times each
//   ssi-test-execs killed      300 processes that execute one program after the other are killed at
//   any moment ssi-test-execs stopped     a process that does so 200 times is stopped and continued
//   all the time ssi-test-execs chain N     executes itself N times, then ENTERED ssi-test-execs
//   cost N      median of fork, exec of /bin/true and its end, in microseconds
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void become_entered() {
    ::execl("/bin/grep", "grep", "-q", "^7e8000100000", "/proc/self/maps", nullptr);
    ::_exit(99);
}

int result_of(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int in_child(void (*function)()) {
    const pid_t child = ::fork();
    if (child == 0) function();
    return result_of(child);
}

void from_thread() {
    for (int i = 0; i < 3; ++i)
        std::thread([] {
            for (;;) ::pause();
        }).detach();
    std::thread(become_entered).join();
}

int vfork_child() {
    // The child shares this memory until it executes; it touches none of it.
    const pid_t child = ::vfork();
    if (child == 0) become_entered();
    return result_of(child);
}

void failing() {
    for (int i = 0; i < 1000; ++i)
        if (::execl("/no/such/program", "x", nullptr) != -1 || errno != ENOENT) ::_exit(98);
    if (::execl("/etc/passwd", "x", nullptr) != -1 || errno != EACCES) ::_exit(97);
    become_entered();
}

void under_signals() {
    ::signal(SIGALRM, [](int) {});
    const itimerval often{{0, 50}, {0, 50}};
    ::setitimer(ITIMER_REAL, &often, nullptr);
    // The timer outlives execve, which sets its signal back to the default: it must be ignored
    // there.
    const pid_t child = ::vfork();
    if (child == 0) {
        ::signal(SIGALRM, SIG_IGN);
        become_entered();
    }
    ::_exit(result_of(child));
}

void as_tracee() {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execl("/bin/true", "true", nullptr);
    ::_exit(96);
}

int traced() {
    const pid_t child = ::fork();
    if (child == 0) as_tracee();
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) return 95;
    ::ptrace(PTRACE_CONT, child, nullptr, nullptr);
    return result_of(child);
}

int parallel() {
    std::vector<pid_t> children;
    for (int i = 0; i < 40; ++i) {
        const pid_t child = ::fork();
        if (child == 0) {
            for (int k = 0; k < 20; ++k)
                if (const int result = in_child(become_entered); result != 0) ::_exit(result);
            ::_exit(0);
        }
        children.push_back(child);
    }
    int worst = 0;
    for (const pid_t child : children) worst = std::max(worst, result_of(child));
    return worst;
}

[[noreturn]] void chain(const char* count) {
    ::execl("/proc/self/exe", "ssi-test-execs", "chain", count, nullptr);
    ::_exit(94);
}

int killed() {
    for (int i = 0; i < 300; ++i) {
        const pid_t child = ::fork();
        if (child == 0) chain("100000");
        // Any moment will do; each round another.
        ::poll(nullptr, 0, i % 7);
        ::kill(child, SIGKILL);
        if (const int result = result_of(child); result != 128 + SIGKILL) return result;
    }
    return in_child(become_entered);
}

int stopped() {
    const pid_t child = ::fork();
    if (child == 0) chain("200");
    for (;;) {
        siginfo_t end{};
        ::waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | WNOWAIT | WNOHANG);
        if (end.si_pid == child) return result_of(child);
        ::kill(child, SIGSTOP);
        ::kill(child, SIGCONT);
        ::poll(nullptr, 0, 1);
    }
}

int cost(int count) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> times;
    for (int i = 0; i < count; ++i) {
        const auto start = Clock::now();
        if (in_child([] {
                ::execl("/bin/true", "true", nullptr);
                ::_exit(99);
            }) != 0)
            return 1;
        times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::sort(times.begin(), times.end());
    std::printf("%.0f\n", times[times.size() / 2]);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "thread") return in_child(from_thread);
    if (what == "vfork") return vfork_child();
    if (what == "failing") return in_child(failing);
    if (what == "traced") return traced();
    if (what == "parallel") return parallel();
    if (what == "killed") return killed();
    if (what == "stopped") return stopped();
    if (what == "chain") {
        const int left = argc > 2 ? std::atoi(argv[2]) : 0;
        if (left == 0) become_entered();
        chain(std::to_string(left - 1).c_str());
    }
    if (what == "cost") return cost(argc > 2 ? std::atoi(argv[2]) : 1000);
    if (what == "signals") {
        for (int i = 0; i < 300; ++i)
            if (const int result = in_child(under_signals); result != 0) return result;
        return 0;
    }
    return 2;
}
