// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/history.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace holon::ssi::daemon {
namespace {

const ProgramFile sorter{1, 2, 3, 1000, "sort"};
const History::Time start = History::Time() + std::chrono::hours(10);

unsigned stays(History& history, History::Time when = start) {
    unsigned count = 0;
    while (count < 1000 && history.stays(sorter, when)) ++count;
    return count;
}

TEST(History, a_program_that_nothing_is_known_of_may_leave) {
    History history;
    EXPECT_FALSE(history.stays(sorter, start));
}

TEST(History, a_program_that_was_taken_home_stays_for_some_starts_and_is_tried_again) {
    History history;
    EXPECT_EQ(history.worse(sorter, start), History::first_starts);
    EXPECT_EQ(stays(history), History::first_starts);
}

TEST(History, every_further_verdict_doubles_the_starts_up_to_a_limit) {
    History history;
    unsigned expected = History::first_starts;
    for (int i = 0; i < 6; ++i) {
        history.worse(sorter, start);
        EXPECT_EQ(stays(history), expected);
        expected = std::min(2 * expected, History::most_starts);
    }
}

TEST(History, a_start_that_ends_well_ends_it) {
    History history;
    history.worse(sorter, start);
    history.worse(sorter, start);
    history.better(sorter);
    EXPECT_EQ(stays(history), 0U);
    history.worse(sorter, start);
    EXPECT_EQ(stays(history), History::first_starts);
}

TEST(History, a_verdict_is_forgotten_after_an_hour) {
    History history;
    history.worse(sorter, start);
    EXPECT_EQ(stays(history, start + History::memory), 0U);
}

TEST(History, another_users_program_and_a_changed_file_are_other_programs) {
    History history;
    history.worse(sorter, start);
    ProgramFile other = sorter, changed = sorter;
    other.user = 1001;
    changed.modified = 4;
    EXPECT_FALSE(history.stays(other, start));
    EXPECT_FALSE(history.stays(changed, start));
}

TEST(History, of_too_many_programs_the_oldest_verdict_goes) {
    History history;
    history.worse(sorter, start);
    for (ino_t i = 10; i < 10 + History::most_programs; ++i)
        history.worse({1, i, 3, 1000, ""}, start + std::chrono::seconds(1));
    EXPECT_EQ(stays(history, start + std::chrono::seconds(1)), 0U);
}

TEST(History, a_process_is_known_by_the_file_it_executes) {
    const auto mine = program_of(::getpid(), 7), same = program_of(::getpid(), 7);
    ASSERT_TRUE(mine && same);
    EXPECT_EQ(*mine, *same);
    EXPECT_FALSE(program_of(-1, 7));
}

}  // namespace
}  // namespace holon::ssi::daemon
