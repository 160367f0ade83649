// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include <random>

#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

namespace holon::plan {
namespace {

using testing::ElementsAre;

TEST(Hostlist, ExpandsRangesAndSingleNames) {
    EXPECT_THAT(expand_hostlist("n[1-3,07],login"), ElementsAre("n1", "n2", "n3", "n07", "login"));
}

TEST(Hostlist, KeepsTheZeroPaddingOfARange) {
    EXPECT_THAT(expand_hostlist("n[008-010]"), ElementsAre("n008", "n009", "n010"));
    EXPECT_THAT(expand_hostlist("n[9-11]"), ElementsAre("n9", "n10", "n11"));
}

TEST(Hostlist, ExpandsSeveralDimensionsWithTheLastRunningFastest) {
    EXPECT_THAT(expand_hostlist("n[1-2]x[3-4]"), ElementsAre("n1x3", "n1x4", "n2x3", "n2x4"));
    EXPECT_THAT(expand_hostlist("r[1-2][07-08]"), ElementsAre("r107", "r108", "r207", "r208"));
}

TEST(Hostlist, ExpandsNamesThatGoOnBehindTheBrackets) {
    EXPECT_THAT(expand_hostlist("n[1-2]-ib.site"), ElementsAre("n1-ib.site", "n2-ib.site"));
}

TEST(Hostlist, AnEmptyListHasNoNames) { EXPECT_TRUE(expand_hostlist("").empty()); }

TEST(Hostlist, RefusesWhatSlurmNeverPrints) {
    for (const char* bad : {"n[1-3", "n1]", "n[]", "n[1,,2]", "n[3-1]", "n[a-b]", "n[1-2-3]", ",n1",
                            "n1,", "n1,,n2", "n[[1-2]]", "n 1", "n1;reboot", "n/1",
                            "n[1-9999999999999999999]", "n[-1]", "[1-2", "n\n"})
        EXPECT_THROW(expand_hostlist(bad), Error) << bad;
}

TEST(Hostlist, RefusesOver65536NamesBeforeMakingThem) {
    EXPECT_EQ(expand_hostlist("n[1-65536]").size(), 65536u);
    EXPECT_THROW(expand_hostlist("n[1-65537]"), Error);
    EXPECT_THROW(expand_hostlist("n[0-999999999999999999]"), Error);
    EXPECT_THROW(expand_hostlist("n[1-257]x[1-256]"), Error);
    EXPECT_THROW(expand_hostlist("n[1-65536],m"), Error);
}

TEST(Hostlist, CompressesRunsAsSlurmDoes) {
    EXPECT_EQ(compress_hostlist({"n1", "n2", "n3"}), "n[1-3]");
    EXPECT_EQ(compress_hostlist({"n1", "n3", "n4", "login"}), "n[1,3-4],login");
    EXPECT_EQ(compress_hostlist({"n1"}), "n1");
    EXPECT_EQ(compress_hostlist({"n1x3", "n1x4"}), "n1x[3-4]");
    EXPECT_EQ(compress_hostlist({}), "");
}

TEST(Hostlist, DoesNotJoinNumbersOfDifferentPadding) {
    EXPECT_EQ(compress_hostlist({"n1", "n02"}), "n[1,02]");
    EXPECT_EQ(compress_hostlist({"n09", "n10"}), "n[09-10]");
    EXPECT_EQ(compress_hostlist({"n99", "n0100"}), "n[99,0100]");
}

TEST(Hostlist, ExpandUndoesCompressForRandomNames) {
    std::mt19937 random(1);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    for (int round = 0; round < 5000; ++round) {
        std::vector<std::string> names;
        for (unsigned i = below(12); i > 0; --i) {
            std::string name = std::vector<std::string>{"n", "m-", "r1x", ""}[below(4)];
            name += fmt::format("{:0{}}", below(120), 1 + below(3));
            if (below(8) == 0) name += "-ib";
            names.push_back(name);
        }
        EXPECT_EQ(expand_hostlist(compress_hostlist(names)), names) << compress_hostlist(names);
    }
}

TEST(CpusPerNode, ExpandsRepetitions) {
    EXPECT_THAT(expand_cpus_per_node("2(x3),1"), ElementsAre(2, 2, 2, 1));
    EXPECT_THAT(expand_cpus_per_node("16"), ElementsAre(16));
}

TEST(CpusPerNode, RefusesGarbage) {
    for (const char* bad :
         {"", "0", "2(x0)", "2(x", "2(3)", "2,", "a", "-1", "2(x99999999)", "4294967296", "2(x3)4"})
        EXPECT_THROW(expand_cpus_per_node(bad), Error) << bad;
}

}  // namespace
}  // namespace holon::plan
