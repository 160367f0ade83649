// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "plugins/node/epilog.h"

namespace holon::node {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(EndedRuns, TheRunOfTheToldCountHasEnded) {
    EXPECT_THAT(ended_runs({{0, Container::ended}}, 0), ElementsAre(0));
    EXPECT_THAT(ended_runs({{2, Container::ended}}, 2), ElementsAre(2));
}

TEST(EndedRuns, OfARequeuedJobSlurmTellsTheNextRunsCount) {
    EXPECT_THAT(ended_runs({{0, Container::ended}}, 1), ElementsAre(0));
    EXPECT_THAT(ended_runs({{0, Container::unknown}}, 1), ElementsAre(0));
}

TEST(EndedRuns, ALateEpilogHarmsNoRunThatIsAlive) {
    EXPECT_THAT(ended_runs({{1, Container::alive}}, 1), IsEmpty());
    EXPECT_THAT(ended_runs({{1, Container::alive}}, std::nullopt), IsEmpty());
    EXPECT_THAT(ended_runs({{0, Container::ended}, {1, Container::alive}}, 1), ElementsAre(0));
}

TEST(EndedRuns, ALateEpilogHarmsNoRunOfAHigherCount) {
    EXPECT_THAT(ended_runs({{2, Container::unknown}}, 1), IsEmpty());
    EXPECT_THAT(ended_runs({{2, Container::ended}}, 0), IsEmpty());
}

TEST(EndedRuns, ARunThatHasNoContainerYetIsSparedWhileTheEarlierOneIsHere) {
    EXPECT_THAT(ended_runs({{0, Container::ended}, {1, Container::unknown}}, 1), ElementsAre(0));
}

TEST(EndedRuns, ARunThatEndedBeforeItHadAContainerHasEnded) {
    EXPECT_THAT(ended_runs({{0, Container::unknown}}, 0), ElementsAre(0));
    EXPECT_THAT(ended_runs({{0, Container::unknown}}, std::nullopt), ElementsAre(0));
}

TEST(EndedRuns, WhereSlurmTellsNoCountTheContainerDecides) {
    EXPECT_THAT(ended_runs({{3, Container::ended}}, std::nullopt), ElementsAre(3));
}

TEST(EndedRuns, ARunThatIsFollowedByAnotherHasEnded) {
    EXPECT_THAT(ended_runs({{0, Container::alive}, {1, Container::ended}}, 1), ElementsAre(0, 1));
}

}  // namespace
}  // namespace holon::node
