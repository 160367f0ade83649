// SPDX-License-Identifier: GPL-2.0-or-later
// A wait that also asks what the child has used is interrupted by signals as any other, leaves the
// program's registers alone, and may be made from a handler; before there are threads and after.
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "program.h"

namespace {

int rings;

void ring(int) { ++rings; }

// From a handler, while the thread waits for another child.
pid_t inner;
int inner_status = -1;

void wait_for_inner(int) {
    const int kept = errno;
    rusage usage;
    MUST(wait4(inner, &inner_status, 0, &usage) == inner);
    errno = kept;
}

void on_alarm(void (*handler)(int), int flags) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    MUST(sigaction(SIGALRM, &action, nullptr) == 0);
    const itimerval soon{{0, 0}, {0, 200'000}};
    MUST(setitimer(ITIMER_REAL, &soon, nullptr) == 0);
}

// Its threads are at work, on whatever machine, until it is told to end.
pid_t child_with_threads(int (&hold)[2], int status) {
    int ready[2];
    MUST(pipe(hold) == 0 && pipe(ready) == 0);
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        close(hold[1]);
        run_threads(3, [&](int number) {
            volatile long work = 0;
            for (int i = 0; i < 1'000'000; ++i) work = work + i;
            char byte = 0;
            if (number == 0) MUST(write(ready[1], &byte, 1) == 1);
            if (number == 0) MUST(read(hold[0], &byte, 1) == 0);
        });
        std::_Exit(status);
    }
    close(hold[0]);
    char byte;
    MUST(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

// wait4 with all that a call must leave alone filled.
long wait_and_keep_registers(pid_t child, int* status, rusage* usage, bool& kept) {
    long result = SYS_wait4, rbx = 0x1234, r12 = 0x5678;
    register long r10 __asm__("r10") = reinterpret_cast<long>(usage);
    register long r8 __asm__("r8") = 0x9abc;
    register long r9 __asm__("r9") = 0xdef0;
    double x = 1.25, y = 0;
    long rdi = child, rsi = reinterpret_cast<long>(status), rdx = 0;
    __asm__ volatile(
        "movsd %[x], %%xmm7\n\t"
        "stc\n\t"
        "syscall\n\t"
        "setc %b[rdx]\n\t"
        "movsd %%xmm7, %[y]"
        : "+a"(result), "+D"(rdi), "+S"(rsi), [rdx] "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9),
          "+b"(rbx), "+r"(r12), [y] "=m"(y)
        : [x] "m"(x)
        : "rcx", "r11", "memory", "cc", "xmm7");
    kept = rdi == child && rsi == reinterpret_cast<long>(status) && rdx == 1 &&
           r10 == reinterpret_cast<long>(usage) && r8 == 0x9abc && r9 == 0xdef0 && rbx == 0x1234 &&
           r12 == 0x5678 && y == 1.25;
    return result;
}

void all(const char* when) {
    int hold[2], status = 0;
    rusage usage;
    rings = 0;
    const pid_t child = child_with_threads(hold, 7);
    on_alarm(ring, 0);
    const int result = wait4(child, &status, 0, &usage);
    std::printf("%s, without SA_RESTART: %d %s, %d\n", when, result,
                result == -1 ? std::strerror(errno) : "", rings);
    MUST(wait4(child, &status, WNOHANG, &usage) == 0);
    on_alarm(
        [](int) {
            ring(0);
            const itimerval again{{0, 0}, {0, 100'000}};
            if (rings < 4) setitimer(ITIMER_REAL, &again, nullptr);
        },
        SA_RESTART);
    // The end comes from a process of its own: this one waits.
    const pid_t closer = fork();
    MUST(closer >= 0);
    if (closer == 0) {
        timespec later{0, 800'000'000};
        while (nanosleep(&later, &later) != 0) {
        }
        _exit(0);
    }
    close(hold[1]);
    bool kept = false;
    MUST(wait_and_keep_registers(child, &status, &usage, kept) == child);
    std::printf("%s, with it: status %d, registers %d\n", when, WEXITSTATUS(status), kept);
    MUST(wait4(closer, &status, 0, &usage) == closer);
    std::printf("%s, rung: %d\n", when, rings);

    inner = child_with_threads(hold, 9);
    close(hold[1]);
    int second[2];
    const pid_t other = child_with_threads(second, 11);
    on_alarm(wait_for_inner, 0);
    MUST(wait4(other, &status, 0, &usage) == -1 && errno == EINTR);
    close(second[1]);
    MUST(wait4(other, &status, 0, &usage) == other);
    std::printf("%s, in a handler: %d, after it: %d\n", when, WEXITSTATUS(inner_status),
                WEXITSTATUS(status));
    std::fflush(stdout);
}

}  // namespace

int main() {
    all("one thread");
    run_threads(1, [](int) {});
    all("after threads");
}
