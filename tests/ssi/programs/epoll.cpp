// SPDX-License-Identifier: GPL-2.0-or-later
// epoll, eventfd and timerfd between threads; time-outs; level and edge.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/timerfd.h>

#include <initializer_list>

#include "program.h"

int main() {
    const int poller = epoll_create1(0), counter = eventfd(0, 0), back = eventfd(0, 0);
    const int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    MUST(poller >= 0 && counter >= 0 && back >= 0 && timer >= 0);
    for (int descriptor : {counter, timer}) {
        epoll_event event = {};
        event.events = EPOLLIN | (descriptor == counter ? EPOLLET : 0u);
        event.data.fd = descriptor;
        MUST(epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0);
    }
    long received = 0, expirations = 0;
    run_threads(2, [&](int me) {
        for (std::uint64_t i = 1; i <= 30; ++i) {
            std::uint64_t value = i;
            if (me == 0) {
                MUST(write(counter, &value, sizeof value) == sizeof value);
                pollfd one = {back, POLLIN, 0};
                MUST(poll(&one, 1, 10'000) == 1);
                MUST(read(back, &value, sizeof value) == sizeof value);
                continue;
            }
            epoll_event events[4];
            MUST(epoll_wait(poller, events, 4, 10'000) == 1);
            MUST(events[0].data.fd == counter);
            MUST(read(counter, &value, sizeof value) == sizeof value);
            received += long(value);
            value = 1;
            MUST(write(back, &value, sizeof value) == sizeof value);
        }
        if (me == 1) return;
        const itimerspec soon = {{0, 0}, {0, 20'000'000}};
        MUST(timerfd_settime(timer, 0, &soon, nullptr) == 0);
        epoll_event event;
        MUST(epoll_wait(poller, &event, 1, 10'000) == 1);
        MUST(event.data.fd == timer);
        std::uint64_t count;
        MUST(read(timer, &count, sizeof count) == sizeof count);
        expirations += long(count);
        MUST(epoll_wait(poller, &event, 1, 30) == 0);
        fd_set set_of_it;
        FD_ZERO(&set_of_it);
        FD_SET(back, &set_of_it);
        timeval time = {0, 30'000};
        MUST(select(back + 1, &set_of_it, nullptr, nullptr, &time) == 0);
    });
    std::printf("received %ld, expirations %ld\n", received, expirations);
}
