// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signals: counted, kept back, waited for, interrupting calls, from timers; and faults.
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "soak.h"

namespace soak {
namespace {

unsigned queued_count, queued_values, plain_count, once_count, timer_count;
thread_local unsigned own_count;
thread_local sigjmp_buf back;
thread_local volatile bool trying;
thread_local siginfo_t last;
pthread_t ids[most_threads];
int tids[most_threads];

void count_queued(int, siginfo_t* info, void*) {
    ++own_count;
    add(queued_values, unsigned(info->si_value.sival_int));
    add(queued_count, 1U);
}
void only_interrupt(int) {}
void count_plain(int) { add(plain_count, 1U); }
void count_once(int) { add(once_count, 1U); }
void count_timer(int) { add(timer_count, 1U); }

void take_fault(int, siginfo_t* info, void* context) {
    if (!trying) {
        const auto* machine = &static_cast<ucontext_t*>(context)->uc_mcontext;
        dprintf(2, "unexpected signal %d, code %d, at %p, by %llx\n", info->si_signo, info->si_code,
                info->si_addr, static_cast<unsigned long long>(machine->gregs[REG_RIP]));
        _exit(77);
    }
    last = *info;
    siglongjmp(back, 1);
}

void install(int signo, void (*handler)(int), int flags) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    MUST(sigaction(signo, &action, nullptr) == 0);
}

/// One directed signal of that number to each other thread, queued: none is lost.
void queue_to(Phase& phase, unsigned thread, int value) {
    siginfo_t info = {};
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = value;
    MUST(syscall(SYS_rt_tgsigqueueinfo, getpid(), tids[thread], SIGRTMIN + 1, &info) == 0);
    phase.sum.fold(std::uint64_t(value));
}

sigset_t only(int signo) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    return set;
}

int wait_for_signal(const sigset_t& set, siginfo_t& info) {
    const timespec limit{10, 0};
    int got;
    while ((got = sigtimedwait(&set, &info, &limit)) < 0 && errno == EINTR) {
    }
    return got;
}

}  // namespace

const char* touch(volatile unsigned char* at, bool write) {
    if (sigsetjmp(back, 1) != 0) {
        trying = false;
        if (last.si_addr != at) return "bad";
        return last.si_signo == SIGBUS       ? "bus"
               : last.si_code == SEGV_MAPERR ? "map"
               : last.si_code == SEGV_ACCERR ? "acc"
                                             : "???";
    }
    trying = true;
    if (write)
        *at = *at;
    else
        (void)*at;
    trying = false;
    return "ok ";
}

void install_handlers() {
    struct sigaction action = {};
    action.sa_flags = SA_SIGINFO;
    action.sa_sigaction = take_fault;
    MUST(sigaction(SIGSEGV, &action, nullptr) == 0);
    MUST(sigaction(SIGBUS, &action, nullptr) == 0);
    action.sa_sigaction = count_queued;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    MUST(sigaction(SIGRTMIN + 1, &action, nullptr) == 0);
    install(SIGUSR1, count_plain, SA_RESTART);
    install(SIGALRM, count_timer, SA_RESTART);
    install(SIGUSR2, only_interrupt, 0);
}

void signal_phase(Phase& phase) {
    ids[phase.thread] = pthread_self();
    tids[phase.thread] = own_tid();
    own_count = 0;
    if (phase.thread == 0) queued_count = queued_values = 0;
    phase.meet();
    // Everybody sends to everybody, itself included, and computes meanwhile.
    const unsigned each = 1 + unsigned(phase.common.below(8));
    for (unsigned i = 0; i < each; ++i) {
        for (unsigned to = 0; to < phase.threads; ++to) queue_to(phase, to, int(i * 7 + to));
        if (phase.own.once_in(3))
            phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 2); });
    }
    MUST(becomes([&] { return get(queued_count) == each * phase.threads * phase.threads; }));
    phase.sum.fold(own_count);
    phase.sum.fold(get(queued_values));
    phase.meet();
    // One for the process: some thread takes it. One that is reset when it is taken.
    if (phase.thread == 0) {
        plain_count = once_count = 0;
        install(SIGHUP, count_once, SA_RESETHAND);
    }
    phase.meet();
    const unsigned receiver = unsigned(phase.common.below(phase.threads));
    if (phase.thread == phase.common.below(phase.threads)) {
        kill(getpid(), SIGUSR1);
        MUST(pthread_kill(ids[receiver], SIGHUP) == 0);
    }
    MUST(becomes([] { return get(plain_count) == 1 && get(once_count) == 1; }));
    phase.meet();
    if (phase.thread == 0) {
        struct sigaction action;
        MUST(sigaction(SIGHUP, nullptr, &action) == 0);
        MUST(action.sa_handler == SIG_DFL);
        MUST(sigaction(SIGUSR1, nullptr, &action) == 0);
        MUST(action.sa_handler == count_plain);
    }
}

void mask_phase(Phase& phase) {
    // Kept back, seen as pending, and then waited for or let through.
    tids[phase.thread] = own_tid();
    own_count = 0;
    if (phase.thread == 0) queued_count = queued_values = 0;
    sigset_t set = only(SIGRTMIN + 1), before;
    MUST(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
    MUST(sigismember(&before, SIGRTMIN + 1) == 0);
    phase.meet();
    const unsigned to = (phase.thread + 1) % phase.threads;
    const unsigned each = 1 + unsigned(phase.common.below(4));
    for (unsigned i = 0; i < each; ++i) queue_to(phase, to, int(i));
    phase.meet();
    sigset_t pending;
    MUST(sigpending(&pending) == 0);
    MUST(sigismember(&pending, SIGRTMIN + 1) == 1);
    MUST(own_count == 0);
    const unsigned waited = unsigned(phase.own.below(each + 1));
    for (unsigned i = 0; i < waited; ++i) {
        siginfo_t info;
        MUST(wait_for_signal(set, info) == SIGRTMIN + 1);
        phase.sum.fold(std::uint64_t(info.si_value.sival_int));  // in the order they were sent
        MUST(info.si_pid == getpid());
    }
    if (phase.own.once_in(2))
        phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 2); });
    MUST(own_count == 0);
    MUST(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    // All of them come before the call returns.
    MUST(own_count == each - waited);
    phase.meet();
    // A signal that races with being blocked is either handled or pending, never neither.
    if (phase.thread == 0) queued_count = 0;
    own_count = 0;
    phase.meet();
    queue_to(phase, to, 1);
    MUST(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
    siginfo_t info;
    if (get(own_count) == 0) MUST(wait_for_signal(set, info) == SIGRTMIN + 1);
    MUST(pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
    phase.meet();
}

void interrupt_phase(Phase& phase) {
    // One waits in a call; the next interrupts it until it says that it was.
    static int ends[most_threads][2];
    static unsigned interrupted[most_threads];
    static unsigned asleep[most_threads];
    ids[phase.thread] = pthread_self();
    MUST(pipe2(ends[phase.thread], O_CLOEXEC) == 0);
    set(interrupted[phase.thread], 0U);
    set(asleep[phase.thread], 0U);
    phase.meet();
    const unsigned kind = unsigned(phase.common.below(4));
    const unsigned victim = unsigned(phase.common.below(phase.threads));
    const unsigned other = (victim + 1) % phase.threads;
    if (phase.thread == victim) {
        set(asleep[victim], 1U);
        char byte;
        long result = 0;
        pollfd polled{ends[victim][0], POLLIN, 0};
        const timespec longer{60, 0};
        errno = 0;
        if (kind == 0) result = read(ends[victim][0], &byte, 1);
        if (kind == 1) result = poll(&polled, 1, 60'000);
        if (kind == 2) result = nanosleep(&longer, nullptr);
        if (kind == 3) result = pause();
        MUST(result == -1);
        phase.sum.fold(std::uint64_t(errno));  // EINTR
        set(interrupted[victim], 1U);
    } else if (phase.thread == other) {
        MUST(becomes([&] { return get(asleep[victim]) == 1; }));
        MUST(becomes([&] {
            MUST(pthread_kill(ids[victim], SIGUSR2) == 0);
            usleep(2000);
            return get(interrupted[victim]) == 1;
        }));
    } else {
        phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 4); });
    }
    phase.meet();
    // With SA_RESTART the call goes on: the byte comes after the signal.
    if (phase.thread == victim) {
        char byte = 0;
        MUST(read_on(ends[victim][0], &byte, 1) == 1);
        phase.sum.fold(std::uint64_t(byte));
    } else if (phase.thread == other) {
        for (int i = 0; i < 3; ++i) MUST(pthread_kill(ids[victim], SIGUSR1) == 0);
        MUST(write(ends[victim][1], "x", 1) == 1);
    }
    phase.meet();
    close(ends[phase.thread][0]);
    close(ends[phase.thread][1]);
}

void timer_phase(Phase& phase) {
    if (phase.thread == 0) set(timer_count, 0U);
    phase.meet();
    if (phase.thread == phase.common.below(phase.threads)) {
        if (phase.own.once_in(2)) {
            const itimerval soon{{0, 3000}, {0, 3000}}, never{};
            MUST(setitimer(ITIMER_REAL, &soon, nullptr) == 0);
            MUST(becomes([] { return get(timer_count) >= 3; }));
            MUST(setitimer(ITIMER_REAL, &never, nullptr) == 0);
        } else {
            timer_t timer;
            sigevent event = {};
            event.sigev_notify = SIGEV_SIGNAL;
            event.sigev_signo = SIGALRM;
            MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
            const itimerspec soon{{0, 0}, {0, 3'000'000}};
            MUST(timer_settime(timer, 0, &soon, nullptr) == 0);
            MUST(becomes([] { return get(timer_count) >= 1; }));
            MUST(timer_delete(timer) == 0);
        }
        return;
    }
    // A sleep is as long as it was asked for, whatever interrupts it.
    const auto begin = now();
    timespec left{0, 10'000'000};
    while (nanosleep(&left, &left) != 0) MUST(errno == EINTR);
    MUST(now() - begin >= 10'000'000);
    phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 3); });
}

}  // namespace soak
