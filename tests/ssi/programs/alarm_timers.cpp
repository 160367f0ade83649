// SPDX-License-Identifier: GPL-2.0-or-later
// alarm, setitimer and POSIX timers while threads run: each comes, as often as it should.
#include <signal.h>
#include <sys/time.h>

#include "program.h"

static int alarms, by_timer[2];
static thread_local int number = -1;
static void on_alarm(int) { add(alarms, 1); }
static void on_timer(int, siginfo_t* info, void*) {
    if (info->si_code != SI_TIMER || info->si_value.sival_int != 55) _exit(7);
    if (number >= 0) add(by_timer[number], 1);
}

int main() {
    struct sigaction action = {};
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    MUST(sigaction(SIGALRM, &action, nullptr) == 0);
    action.sa_sigaction = on_timer;
    action.sa_flags = SA_RESTART | SA_SIGINFO;
    MUST(sigaction(SIGRTMIN, &action, nullptr) == 0);
    bool over = false;
    int tids[2] = {};
    const auto body = [&](int i) {
        number = i;
        set(tids[i], own_tid());
        while (!get(over)) {
            if (i == 0) sched_yield();
        }
    };
    Thread<decltype(body)> threads[2];
    for (int i = 0; i < 2; ++i) threads[i].start(body, i);
    MUST(alarm(1) == 0);
    MUST(becomes([&] { return get(alarms) == 1; }));
    std::printf("alarm\n");
    itimerval every = {{0, 20'000}, {0, 20'000}}, old = {};
    MUST(setitimer(ITIMER_REAL, &every, nullptr) == 0);
    MUST(becomes([&] { return get(alarms) >= 6; }));
    const itimerval off = {};
    MUST(setitimer(ITIMER_REAL, &off, &old) == 0);
    std::printf("interval timer, interval %ld us\n", long(old.it_interval.tv_usec));
    for (int i = 0; i < 2; ++i) {
        MUST(becomes([&] { return get(tids[i]) != 0; }));
        sigevent event = {};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGRTMIN;
        event.sigev_value.sival_int = 55;
        event._sigev_un._tid = tids[i];
        timer_t timer;
        MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
        const itimerspec soon = {{0, 10'000'000}, {0, 10'000'000}};
        MUST(timer_settime(timer, 0, &soon, nullptr) == 0);
        MUST(becomes([&] { return get(by_timer[i]) >= 3; }));
        MUST(timer_delete(timer) == 0);
        std::printf("timer of thread %d\n", i);
    }
    MUST(get(by_timer[0]) >= 3 && get(by_timer[1]) >= 3);
    set(over, true);
    for (auto& thread : threads) thread.join();
}
