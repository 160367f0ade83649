// SPDX-License-Identifier: GPL-2.0-or-later
// The agent's one thread: an epoll loop with timers, and the reaping of children. Handlers may
// destroy any watch or timer, also their own. Nothing here is thread-safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "plugins/os/fd.h"

namespace holon::guest {

class Loop;

// Interest in a descriptor, ended by destruction; destroy it before the descriptor is closed.
class Watch {
  public:
    Watch() = default;
    Watch(Watch&& other) noexcept { *this = std::move(other); }
    Watch& operator=(Watch&& other) noexcept;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { reset(); }

    // 0 takes the descriptor out of epoll altogether, because epoll reports a hang-up nobody asked
    // for, for ever.
    void set(std::uint32_t events);
    void reset();
    explicit operator bool() const { return loop_ != nullptr; }

  private:
    friend class Loop;
    Loop* loop_ = nullptr;
    int fd_ = -1;
    std::uint64_t id_ = 0;
    std::uint32_t events_ = 0;
};

class Timer {
  public:
    Timer() = default;
    Timer(Timer&& other) noexcept { *this = std::move(other); }
    Timer& operator=(Timer&& other) noexcept;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { reset(); }
    void reset();
    explicit operator bool() const { return loop_ != nullptr; }

  private:
    friend class Loop;
    Loop* loop_ = nullptr;
    std::uint64_t id_ = 0;
};

class Loop {
  public:
    using Handler = std::function<void(std::uint32_t events)>;
    using Clock = std::chrono::steady_clock;

    Loop();
    Watch watch(int fd, std::uint32_t events, Handler handler);
    Timer after(std::chrono::milliseconds delay, std::function<void()> action);
    // Waits until something happens, at most LIMIT, and handles what has happened.
    void turn(std::chrono::milliseconds limit);

  private:
    friend class Watch;
    friend class Timer;
    struct Alarm {
        Clock::time_point due;
        std::function<void()> action;
    };
    void fire_timers();

    os::Fd epoll_;
    std::uint64_t next_id_ = 1;
    std::unordered_map<std::uint64_t, std::shared_ptr<Handler>> handlers_;
    std::map<std::uint64_t, Alarm> alarms_;
};

// Reaps every child, also the orphans PID 1 inherits, and tells whoever waits for one. SIGCHLD is
// blocked for the whole process from construction on and SIGPIPE is ignored (readers of our pipes
// come and go); launch() undoes both in children.
class Reaper {
  public:
    explicit Reaper(Loop& loop);
    void expect(pid_t pid, std::function<void(int wait_status)> on_exit);
    void forget(pid_t pid) { expected_.erase(pid); }

  private:
    void reap();

    os::Fd signals_;
    Watch watch_;
    std::map<pid_t, std::function<void(int)>> expected_;
};

}  // namespace holon::guest
