// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/background.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace holon::os {
namespace {

using Clock = std::chrono::steady_clock;

// What a thread has seen, to be waited for.
template <typename T>
class Seen {
  public:
    void put(T value) {
        std::lock_guard lock(mutex_);
        value_ = value;
        there_ = true;
        changed_.notify_all();
    }
    bool wait(T& value) {
        std::unique_lock lock(mutex_);
        const bool came =
            changed_.wait_for(lock, std::chrono::seconds{20}, [this] { return there_; });
        value = value_;
        return came;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool there_ = false;
    T value_{};
};

TEST(Background, LeavesSignalsToTheThreadsOfItsHost) {
    auto seen = std::make_shared<Seen<int>>();
    Background background([seen](int wake) {
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        seen->put(sigismember(&blocked, SIGTERM) + sigismember(&blocked, SIGHUP));
        Background::pause(wake, 60000);
    });
    int blocked = 0;
    ASSERT_TRUE(seen->wait(blocked));
    EXPECT_EQ(blocked, 2);
}

TEST(Background, IsWokenFromAPauseWhenItIsToEnd) {
    auto began = std::make_shared<Seen<bool>>();
    auto ended = std::make_shared<std::atomic<bool>>(false);
    {
        Background background([=](int wake) {
            began->put(true);
            Background::pause(wake, 600000);
            *ended = true;
        });
        bool yes = false;
        ASSERT_TRUE(began->wait(yes));
    }
    EXPECT_TRUE(*ended);
}

TEST(Background, IsLeftToItselfWhereItDoesNotEnd) {
    auto began = std::make_shared<Seen<bool>>();
    auto release = std::make_shared<Seen<bool>>();
    const auto before = Clock::now();
    {
        Background background([=](int) {
            began->put(true);
            bool released = false;
            release->wait(released);  // as in a read from a hung file system
        });
        bool yes = false;
        ASSERT_TRUE(began->wait(yes));
    }
    EXPECT_LT(Clock::now() - before, std::chrono::seconds{15});
    release->put(true);
}

TEST(Reading, IsDueUntilItEndedWell) {
    Reading reading;
    EXPECT_TRUE(reading.due("one"));
    EXPECT_TRUE(reading.due("one"));  // it threw
    reading.done();
    EXPECT_FALSE(reading.due("one"));
    EXPECT_TRUE(reading.due("two"));
}

TEST(Reading, OfSomethingThatChangesMeanwhileIsDueAgain) {
    std::string name = std::filesystem::temp_directory_path() / "holon-reading-XXXXXX";
    ASSERT_GE(::close(::mkstemp(name.data())), 0);
    Reading reading;
    ASSERT_TRUE(reading.due(stamp_of(name)));
    std::ofstream(name) << "written while it is read";
    reading.done();
    EXPECT_TRUE(reading.due(stamp_of(name)));
    reading.done();
    EXPECT_FALSE(reading.due(stamp_of(name)));
    std::filesystem::remove(name);
    EXPECT_TRUE(reading.due(stamp_of(name)));
}

}  // namespace
}  // namespace holon::os
