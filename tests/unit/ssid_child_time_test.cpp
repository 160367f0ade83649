// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/child_time.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace holon::ssi::daemon {
namespace {

// Processes 10 → 20 → 30 and 10 → 21, each under the one before, the oldest under 1. Number N
// started at N.
class ChildTimeTest : public testing::Test {
  protected:
    std::map<pid_t, pid_t> parents{{10, 1}, {20, 10}, {21, 10}, {30, 20}};
    std::map<pid_t, std::uint64_t> later;  // started again, as another process
    ChildTime times{{[this](pid_t pid) { return parents.contains(pid) ? parents[pid] : 0; },
                     [this](pid_t pid) -> std::uint64_t {
                         if (later.contains(pid)) return later[pid];
                         return parents.contains(pid) ? static_cast<std::uint64_t>(pid) : 0;
                     }},
                    std::chrono::milliseconds(50)};

    std::uint64_t user(pid_t pid) { return times.of_children(pid).user; }
};

TEST_F(ChildTimeTest, a_child_counts_when_it_was_waited_for) {
    times.add(20, {5, 7});
    EXPECT_EQ(user(10), 0U);
    parents.erase(20);
    EXPECT_EQ(user(10), 5U);
    EXPECT_EQ(times.of_children(10).system, 7U);
}

TEST_F(ChildTimeTest, what_a_program_says_in_pieces_is_added_up) {
    times.add(20, {5, 0});
    times.add(20, {6, 0});
    parents.erase(20);
    EXPECT_EQ(user(10), 11U);
}

TEST_F(ChildTimeTest, children_of_a_child_count_for_it_and_when_it_has_ended_for_its_parent) {
    times.add(30, {5, 0});
    parents.erase(30);
    EXPECT_EQ(user(20), 5U);
    EXPECT_EQ(user(10), 0U);
    parents.erase(20);
    EXPECT_EQ(user(10), 5U);
}

TEST_F(ChildTimeTest, children_are_told_from_one_another) {
    times.add(20, {5, 0});
    times.add(21, {6, 0});
    parents.erase(21);
    EXPECT_EQ(user(10), 6U);
    parents.erase(20);
    EXPECT_EQ(user(10), 11U);
}

TEST_F(ChildTimeTest, a_process_of_the_same_number_has_no_share) {
    times.add(20, {5, 0});
    parents.erase(20);
    later[10] = 99;
    EXPECT_EQ(user(10), 0U);
}

TEST_F(ChildTimeTest, what_a_process_claims_does_not_overflow) {
    times.add(20, {~0ULL, 0});
    times.add(20, {~0ULL, 0});
    parents.erase(20);
    EXPECT_GT(static_cast<std::int64_t>(user(10)), 0);
}

TEST_F(ChildTimeTest, what_many_programs_have_used_is_kept_within_bounds_and_is_not_lost) {
    for (pid_t pid = 100; pid < 100 + 2 * static_cast<pid_t>(ChildTime::most_entries); ++pid) {
        parents[pid] = 10;
        times.add(pid, {1, 0});
        parents.erase(pid);
    }
    EXPECT_EQ(user(10), 2 * ChildTime::most_entries);
}

TEST_F(ChildTimeTest, one_child_is_told_from_the_others_when_it_was_waited_for) {
    times.add(20, {5, 0});
    times.add(21, {6, 0});
    times.add(30, {7, 0});
    parents.erase(30);
    parents.erase(21);
    EXPECT_EQ(times.of_children(10, 21).user, 6U);
    EXPECT_EQ(times.of_children(10, 20).user, 12U);  // ended, and left as it is
    parents.erase(20);
    EXPECT_EQ(times.of_children(10, 20).user, 12U);
    EXPECT_EQ(times.of_children(10, 99).user, 0U);
    EXPECT_EQ(user(10), 18U);
}

TEST_F(ChildTimeTest, children_that_nobody_asks_for_one_by_one_are_not_kept_one_by_one) {
    for (pid_t pid = 100; pid < 400; ++pid) {
        parents[pid] = 10;
        times.add(pid, {1, 0});
        parents.erase(pid);
    }
    EXPECT_EQ(user(10), 300U);
    EXPECT_EQ(times.of_children(10, 399).user, 1U);
    EXPECT_EQ(times.of_children(10, 100).user, 0U);
}

TEST_F(ChildTimeTest, what_a_child_that_was_killed_has_used_is_waited_for) {
    const std::uint64_t number = times.begin(20);
    EXPECT_TRUE(times.expected(10));
    EXPECT_FALSE(times.expected(20));
    parents.erase(20);
    std::thread settling([&] { times.settle(number, {5, 0}); });
    std::uint64_t seen = 0;
    for (int i = 0; i < 1000 && seen == 0; ++i) seen = user(10);
    settling.join();
    EXPECT_EQ(seen, 5U);
    EXPECT_EQ(times.of_children(10, 20).user, 5U);
    EXPECT_FALSE(times.expected(10));
}

TEST_F(ChildTimeTest, what_never_becomes_known_is_not_waited_for_for_ever) {
    times.begin(20);
    parents.erase(20);
    EXPECT_EQ(user(10), 0U);
    EXPECT_TRUE(times.expected(10));
}

TEST_F(ChildTimeTest, nobody_waits_for_a_child_that_has_not_ended) {
    const std::uint64_t number = times.begin(20);
    ChildTime patient{{[](pid_t) { return 1; }, [](pid_t) { return 1U; }}, std::chrono::hours(1)};
    patient.begin(20);
    EXPECT_EQ(patient.of_children(10).user, 0U);
    times.settle(number);
    EXPECT_FALSE(times.expected(10));
}

TEST_F(ChildTimeTest, a_program_that_executes_another_counts_when_that_has_ended) {
    times.settle(times.begin(20), {5, 0});
    EXPECT_EQ(user(10), 0U);
    EXPECT_TRUE(times.expected(10));
    parents.erase(20);
    EXPECT_EQ(user(10), 5U);
}

}  // namespace
}  // namespace holon::ssi::daemon
