// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/priority.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

namespace holon::ssi::daemon {
namespace {

TEST(Priority, a_thread_is_known_by_its_process_and_its_user) {
    EXPECT_TRUE(is_thread_of(::getpid(), ::gettid(), ::geteuid()));
    EXPECT_FALSE(is_thread_of(::getppid(), ::gettid(), ::geteuid()));
    EXPECT_FALSE(is_thread_of(::getpid(), ::gettid(), ::geteuid() + 1));
    EXPECT_FALSE(is_thread_of(::getpid(), 0, ::geteuid()));
}

TEST(Priority, a_thread_is_put_before_others_and_its_children_are_not) {
    std::thread([] {
        run_before_all(::gettid());
        const int policy = ::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
        if (policy != SCHED_FIFO && ::getpriority(PRIO_PROCESS, 0) != -20)
            GTEST_SKIP() << "neither real-time nor a higher priority is allowed here";
        std::thread([] {
            EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
            EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())), 0);
        }).join();
    }).join();
}

}  // namespace
}  // namespace holon::ssi::daemon
