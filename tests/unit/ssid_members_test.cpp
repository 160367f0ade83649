// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/members.h"

#include <gtest/gtest.h>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

class MembersTest : public testing::Test {
  protected:
    Join join(const std::string& name, std::uint32_t wanted = 0) {
        Join join;
        join.instance = random_digest();
        join.name = name;
        join.port = 7717;
        join.wanted = wanted;
        join.cpus = 2;
        join.runtime = runtime_;
        join.machine = machine_;
        return join;
    }
    Digest runtime_ = random_digest();
    Machine machine_{};
    Members members_{"home", "10.0.0.1:7717", 4, runtime_, machine_};
    Endpoint second_ = resolve("10.0.0.2:7717"), third_ = resolve("10.0.0.3:7717");
};

TEST_F(MembersTest, NodesAreNumberedInTheOrderTheyJoin) {
    EXPECT_EQ(members_.join(join("a"), second_), 1u);
    EXPECT_EQ(members_.join(join("b"), third_), 2u);
    EXPECT_EQ(members_.count(), 3u);
    EXPECT_EQ(members_.endpoint(2)->text(), "10.0.0.3:7717");
}

TEST_F(MembersTest, ALostNodeKeepsItsNumberForItsReturn) {
    const Join first = join("a");
    members_.join(first, second_);
    members_.join(join("b"), third_);
    members_.lost(1, first.instance);
    EXPECT_FALSE(members_.endpoint(1));
    EXPECT_FALSE(members_.list()[1].up);
    EXPECT_EQ(members_.join(join("c"), resolve("10.0.0.4")), 3u);
    EXPECT_EQ(members_.join(join("a"), third_), 1u);
}

TEST_F(MembersTest, TheEndOfAnOldLinkDoesNotTakeTheNewOneDown) {
    const Join old = join("a");
    members_.join(old, second_);
    const Join anew = join("a");
    EXPECT_EQ(members_.join(anew, second_), 1u);
    members_.lost(1, old.instance);
    EXPECT_TRUE(members_.endpoint(1));
    EXPECT_FALSE(members_.is_current(1, old.instance));
    EXPECT_TRUE(members_.is_current(1, anew.instance));
}

TEST_F(MembersTest, ANameIsNotTakenFromANodeThatIsUp) {
    members_.join(join("a"), second_);
    EXPECT_THROW(members_.join(join("a"), third_), Error);
    EXPECT_THROW(members_.join(join("home"), third_), Error);
}

TEST_F(MembersTest, AFirstNodeStartedAnewGivesTheNumbersBack) {
    EXPECT_EQ(members_.join(join("b", 2), third_), 2u);
    EXPECT_EQ(members_.join(join("a", 1), second_), 1u);
    EXPECT_EQ(members_.join(join("c", 2), resolve("10.0.0.4")), 3u);
}

TEST_F(MembersTest, AnotherRuntimeOrProcessorIsRefused) {
    Join other = join("a");
    other.runtime = random_digest();
    EXPECT_THROW(members_.join(other, second_), Error);
    other = join("a");
    other.machine.features[4] = 1;
    EXPECT_THROW(members_.join(other, second_), Error);
    other = join("a");
    other.machine.xsave_size = 1;
    EXPECT_THROW(members_.join(other, second_), Error);
    EXPECT_EQ(members_.count(), 1u);
}

TEST_F(MembersTest, AFullPartitionRefuses) {
    for (int i = 1; i < max_nodes; ++i)
        members_.join(join("n" + std::to_string(i)), resolve("10.0.1." + std::to_string(i)));
    EXPECT_THROW(members_.join(join("one-more"), third_), Error);
    EXPECT_THROW(members_.join(join("far", 4000000000u), third_), Error);
}

}  // namespace
}  // namespace holon::ssi::daemon
