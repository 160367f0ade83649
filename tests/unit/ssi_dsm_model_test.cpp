// SPDX-License-Identifier: GPL-2.0-or-later
// Every interleaving of three nodes and two pages (ssi/dsm/model). The checker is itself checked:
// it must find an error in every protocol that is broken on purpose.
//
//   ssi_dsm_model_test          some seconds of processor time
//   ssi_dsm_model_test --full   more accesses, some minutes, 2 GB of memory
#include <gtest/gtest.h>

#include <cstring>
#include <iostream>

#include "ssi/dsm/model/explorer.h"

namespace holon::ssi::dsm::model {
namespace {

bool full = false;

Setup setup(const char* name, unsigned home, unsigned first, unsigned second) {
    Setup made;
    made.name = name;
    made.accesses[0] = home;
    made.accesses[1] = first;
    made.accesses[2] = second;
    return made;
}

void expect_coherence(const Setup& what) {
    const Result result = Explorer<Broken::nothing>(what, 60'000'000, false).run();
    std::cout << what.name << ": " << result.states << " states, " << result.steps
              << " transitions, " << result.complete << " ends\n";
    EXPECT_EQ(result.error, "") << result.trace;
    EXPECT_FALSE(result.bounded);
    EXPECT_GT(result.complete, 0U);
    EXPECT_GT(result.states, 1000U);
}

/// Both beginnings: the pages exist at home, or nobody has touched them.
void expect_coherence_from_both(Setup what) {
    expect_coherence(what);
    what.present_at_home = false;
    expect_coherence(what);
}

TEST(SsiDsmModel, ReadsAndWritesAreCoherentInEveryInterleaving) {
    auto what = setup("reads and writes", 2, 2, 2);
    what.progress = true;
    expect_coherence(what);
    what = setup("first touches", full ? 2 : 1, 2, full ? 2 : 1);
    what.progress = true;
    what.present_at_home = false;
    expect_coherence(what);
    if (full) expect_coherence_from_both(setup("more by one node", 2, 3, 2));
}

TEST(SsiDsmModel, ALongerFightOverOnePageIsCoherent) {
    auto what = setup("one page", 3, 3, full ? 4 : 3);
    what.single_page = true;
    what.progress = true;
    expect_coherence(what);
}

TEST(SsiDsmModel, FaultsThatTheAgentHandlesLateAreCoherent) {
    auto what = setup("late faults", full ? 2 : 1, 2, full ? 2 : 1);
    what.late_faults = true;
    expect_coherence_from_both(what);
}

TEST(SsiDsmModel, MigratoryPagesAreCoherent) {
    auto what = setup("migratory", 3, 3, 3);
    what.config.migratory = true;
    what.single_page = true;
    what.progress = true;
    expect_coherence(what);
    what = setup("migratory, two pages", 2, 2, 2);
    what.config.migratory = true;
    if (full) expect_coherence_from_both(what);
}

TEST(SsiDsmModel, PagesSentAheadAreCoherent) {
    auto what = setup("sent ahead", 2, full ? 2 : 1, 1);
    what.config.prefetch_reads = 2;
    what.config.prefetch_writes = 2;
    what.config.first_touch = 2;
    expect_coherence_from_both(what);
}

TEST(SsiDsmModel, ADiscardLosesNothingButTheDiscarded) {
    auto what = setup("discard", 1, 1, 1);
    what.operation = RangeOperation::discard;
    what.progress = true;
    expect_coherence(what);
    what = setup("discard, one page", full ? 2 : 1, 2, 1);
    what.operation = RangeOperation::discard;
    what.single_page = true;
    expect_coherence_from_both(what);
}

TEST(SsiDsmModel, AGatherBringsEveryPageHomeAndNothingLeavesUntilTheRelease) {
    for (const auto operation : {RangeOperation::gather_shared, RangeOperation::gather_exclusive}) {
        auto what = setup(operation == RangeOperation::gather_shared ? "gathered to be read"
                                                                     : "gathered to be owned",
                          1, full ? 2 : 1, 1);
        what.operation = operation;
        what.progress = !full;
        expect_coherence_from_both(what);
        what.config.migratory = true;
        what.single_page = true;
        what.accesses[0] = what.accesses[1] = 2;
        expect_coherence(what);
    }
}

template <Broken how>
void expect_found(Setup what, const char* error) {
    what.single_page = true;
    const Result result = Explorer<how>(what, 5'000'000, true).run();
    EXPECT_EQ(result.error, error);
    EXPECT_NE(result.trace, "");
    std::cout << "the shortest way to \"" << result.error << "\":\n" << result.trace;
}

TEST(SsiDsmModel, AGrantBeforeTheLastAckIsFound) {
    expect_found<Broken::grants_early>(setup("", 2, 2, 2), "two nodes, and one of them may write");
}

TEST(SsiDsmModel, AForgottenRequestIsFound) {
    expect_found<Broken::forgets_waiting>(setup("", 2, 2, 2),
                                          "deadlock: a thread waits and nothing can happen");
}

TEST(SsiDsmModel, AnUpgradeThatTrustsTheRequestIsFound) {
    expect_found<Broken::trusts_requests>(setup("", 2, 2, 2),
                                          describe(Status::grant_contradicts_state));
}

TEST(SsiDsmModel, ACopyLeftAtHomeIsFound) {
    expect_found<Broken::keeps_home_copy>(setup("", 2, 2, 2),
                                          "two nodes, and one of them may write");
}

TEST(SsiDsmModel, AGrantInADiscardedRangeIsFound) {
    auto what = setup("", 1, 1, 1);
    what.operation = RangeOperation::discard;
    expect_found<Broken::serves_discarded>(what,
                                           "a node could read contents that are not the last");
}

TEST(SsiDsmModel, AGrantInAGatheredRangeIsFound) {
    auto what = setup("", 1, 1, 1);
    what.operation = RangeOperation::gather_shared;
    expect_found<Broken::serves_gathered>(what, "a gathered page is not at home");
    what.operation = RangeOperation::gather_exclusive;
    expect_found<Broken::serves_gathered>(what, "a page gathered for the home alone is elsewhere");
}

}  // namespace
}  // namespace holon::ssi::dsm::model

int main(int count, char** words) {
    for (int i = 1; i < count; ++i)
        if (!std::strcmp(words[i], "--full")) holon::ssi::dsm::model::full = true;
    testing::InitGoogleTest(&count, words);
    return RUN_ALL_TESTS();
}
