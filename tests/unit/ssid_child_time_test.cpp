// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/child_time.h"

#include <gtest/gtest.h>

#include <map>

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
                     }}};

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

}  // namespace
}  // namespace holon::ssi::daemon
