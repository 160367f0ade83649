// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/controller_hosts.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace holon::node {
namespace {

using namespace std::chrono_literals;
using Hosts = std::vector<std::string>;

class ControllerHostsTest : public ::testing::Test {
  protected:
    int asked_ = 0;
    ControllerHosts hosts_;
    ControllerHosts::Clock::time_point start_{1000h};

    Hosts get(std::chrono::seconds after, Hosts answer = {"ctl"}) {
        return hosts_.get(
            [&] {
                ++asked_;
                return answer;
            },
            start_ + after);
    }
};

TEST_F(ControllerHostsTest, SlurmIsNotAskedAtEveryReport) {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(get(i * 29s), Hosts{"ctl"});
    EXPECT_EQ(asked_, 1);
}

TEST_F(ControllerHostsTest, AControllerThatMovedIsFoundInTheEnd) {
    get(0s);
    EXPECT_EQ(get(10min, {"other"}), Hosts{"other"});
}

TEST_F(ControllerHostsTest, AfterAReportThatNobodyTookSlurmIsAskedWithinAMinuteButNotAtOnce) {
    get(0s);
    hosts_.none_answered();
    EXPECT_EQ(get(59s, {"other"}), Hosts{"ctl"});
    EXPECT_EQ(get(60s, {"other"}), Hosts{"other"});
    EXPECT_EQ(get(121s), Hosts{"other"});  // which is trusted as long as any
}

TEST_F(ControllerHostsTest, NothingIsKnownWhereSlurmDoesNotAnswerAndItIsAskedAgain) {
    EXPECT_THROW(hosts_.get([]() -> Hosts { throw std::runtime_error("no"); }, start_),
                 std::runtime_error);
    EXPECT_EQ(get(1s), Hosts{"ctl"});
}

TEST(UntilNextReport, IsTheHeartbeatWhereAReportWasTaken) {
    EXPECT_EQ(until_next_report(0, 30s), 30s);
}

TEST(UntilNextReport, GrowsWithFailuresUpToTheHeartbeat) {
    EXPECT_EQ(until_next_report(1, 30s), 5s);
    EXPECT_EQ(until_next_report(2, 30s), 10s);
    EXPECT_EQ(until_next_report(3, 30s), 20s);
    EXPECT_EQ(until_next_report(4, 30s), 30s);
    EXPECT_EQ(until_next_report(4000000000, 30s), 30s);
    EXPECT_EQ(until_next_report(1, 2s), 2s);
}

}  // namespace
}  // namespace holon::node
