// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/background.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::os {
namespace {

constexpr std::chrono::seconds waited_for{2};

}  // namespace

struct Background::State {
    std::mutex mutex;
    std::condition_variable ended_changed;
    bool stop = false, ended = false;
    Fd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    bool stopping() {
        std::lock_guard lock(mutex);
        return stop;
    }

    void run(const Step& step) {
        try {
            while (!stopping()) step(wake.get());
        } catch (...) {
            // what STEP did not catch it does not want to go on after
        }
        std::lock_guard lock(mutex);
        ended = true;
        ended_changed.notify_all();
    }
};

Background::Background(Step step) : state_(std::make_shared<State>()) {
    if (!state_->wake.valid()) throw Error("eventfd: {}", errno_text());
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        std::thread([state = state_, step = std::move(step)] { state->run(step); }).detach();
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Background::~Background() {
    std::unique_lock lock(state_->mutex);
    state_->stop = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(state_->wake.get(), &one, sizeof one);
    state_->ended_changed.wait_for(lock, waited_for, [this] { return state_->ended; });
}

void Background::pause(int wake, int milliseconds) {
    pollfd source{wake, POLLIN, 0};
    ::poll(&source, 1, milliseconds);
}

bool Reading::due(std::string stamp) {
    begun_ = std::move(stamp);
    return begun_ != read_;
}

std::string stamp_of(const std::string& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) return "-;";
    return fmt::format("{}:{}:{}:{}.{};", s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec,
                       s.st_mtim.tv_nsec);
}

}  // namespace holon::os
