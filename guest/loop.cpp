// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/loop.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <vector>

namespace holon::guest {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Watch& Watch::operator=(Watch&& other) noexcept {
    if (this != &other) {
        reset();
        loop_ = std::exchange(other.loop_, nullptr);
        fd_ = other.fd_;
        id_ = other.id_;
        events_ = other.events_;
    }
    return *this;
}

void Watch::set(std::uint32_t events) {
    if (loop_ == nullptr || events == events_) return;
    epoll_event event{};
    event.events = events;
    event.data.u64 = id_;
    const int how = events == 0 ? EPOLL_CTL_DEL : events_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(loop_->epoll_.get(), how, fd_, &event) < 0) fail("epoll_ctl");
    events_ = events;
}

void Watch::reset() {
    if (loop_ == nullptr) return;
    if (events_ != 0) ::epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    loop_->handlers_.erase(id_);
    loop_ = nullptr;
    events_ = 0;
}

Timer& Timer::operator=(Timer&& other) noexcept {
    if (this != &other) {
        reset();
        loop_ = std::exchange(other.loop_, nullptr);
        id_ = other.id_;
    }
    return *this;
}

void Timer::reset() {
    if (loop_ == nullptr) return;
    loop_->alarms_.erase(id_);
    loop_ = nullptr;
}

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_.valid()) fail("epoll_create1");
}

Watch Loop::watch(int fd, std::uint32_t events, Handler handler) {
    Watch watch;
    watch.loop_ = this;
    watch.fd_ = fd;
    watch.id_ = next_id_++;
    handlers_.emplace(watch.id_, std::make_shared<Handler>(std::move(handler)));
    watch.set(events);
    return watch;
}

Timer Loop::after(std::chrono::milliseconds delay, std::function<void()> action) {
    Timer timer;
    timer.loop_ = this;
    timer.id_ = next_id_++;
    alarms_.emplace(timer.id_, Alarm{Clock::now() + delay, std::move(action)});
    return timer;
}

void Loop::turn(std::chrono::milliseconds limit) {
    using std::chrono::ceil;
    using std::chrono::milliseconds;
    auto wait = limit;
    const auto now = Clock::now();
    for (const auto& [id, alarm] : alarms_)
        wait = std::min(wait, std::max(milliseconds(0), ceil<milliseconds>(alarm.due - now)));

    std::array<epoll_event, 64> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   static_cast<int>(wait.count()));
    if (count < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < count; ++i) {
        // An earlier handler of this turn may have ended this watch; ids are never used twice.
        const auto found = handlers_.find(events[static_cast<std::size_t>(i)].data.u64);
        if (found == handlers_.end()) continue;
        const auto handler = found->second;
        (*handler)(events[static_cast<std::size_t>(i)].events);
    }
    fire_timers();
}

void Loop::fire_timers() {
    const auto now = Clock::now();
    std::vector<std::uint64_t> due;
    for (const auto& [id, alarm] : alarms_)
        if (alarm.due <= now) due.push_back(id);
    for (const auto id : due) {
        const auto found = alarms_.find(id);
        if (found == alarms_.end()) continue;
        const auto action = std::move(found->second.action);
        alarms_.erase(found);
        action();
    }
}

Reaper::Reaper(Loop& loop) {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) < 0) fail("sigprocmask");
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.valid()) fail("signalfd");
    watch_ = loop.watch(signals_.get(), EPOLLIN, [this](std::uint32_t) { reap(); });
}

void Reaper::expect(pid_t pid, std::function<void(int)> on_exit) {
    expected_[pid] = std::move(on_exit);
}

void Reaper::reap() {
    std::array<signalfd_siginfo, 16> information;
    while (::read(signals_.get(), information.data(), sizeof information) > 0) {
    }
    for (;;) {
        int status = 0;
        const pid_t pid = ::waitpid(-1, &status, WNOHANG);
        if (pid <= 0) return;
        const auto found = expected_.find(pid);
        if (found == expected_.end()) continue;
        const auto on_exit = std::move(found->second);
        expected_.erase(found);
        on_exit(status);
    }
}

}  // namespace holon::guest
