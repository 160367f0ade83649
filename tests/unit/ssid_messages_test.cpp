// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/messages.h"

#include <gtest/gtest.h>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

Join a_join() {
    Join join;
    join.instance = random_digest();
    join.name = "node-1.example";
    join.port = 7717;
    join.wanted = 3;
    join.cpus = 64;
    join.runtime = random_digest();
    join.machine.features[5] = 0xdead;
    join.machine.xsave_size = 2696;
    join.machine.xsave_mask = 7;
    return join;
}

TEST(Messages, JoinComesBackAsItWas) {
    const Join sent = a_join();
    const Join got = decode_join(encode(sent));
    EXPECT_EQ(got.instance, sent.instance);
    EXPECT_EQ(got.name, sent.name);
    EXPECT_EQ(got.port, sent.port);
    EXPECT_EQ(got.wanted, sent.wanted);
    EXPECT_EQ(got.cpus, sent.cpus);
    EXPECT_EQ(got.runtime, sent.runtime);
    EXPECT_EQ(got.machine, sent.machine);
}

TEST(Messages, BodyRequestComesBackAsItWas) {
    const BodyRequest sent{random_digest(), 1000, 100, {4, 27, 1000}, random_digest(), 4711};
    const BodyRequest got = decode_body(encode(sent));
    EXPECT_EQ(got.token, sent.token);
    EXPECT_EQ(got.uid, 1000u);
    EXPECT_EQ(got.gid, 100u);
    EXPECT_EQ(got.groups, sent.groups);
    EXPECT_EQ(got.runtime, sent.runtime);
}

TEST(Messages, MembersComeBackAsTheyWere) {
    const std::vector<MemberInfo> sent{{0, "n0", "10.0.0.1:7717", 8, true},
                                       {3, "n3", "[fd00::3]:7717", 2, false}};
    const auto got = decode_members(encode(sent));
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[1].number, 3u);
    EXPECT_EQ(got[1].address, "[fd00::3]:7717");
    EXPECT_FALSE(got[1].up);
}

TEST(Messages, EveryTruncationIsRefused) {
    const std::string join = encode(a_join());
    for (std::size_t size = 0; size < join.size(); ++size)
        EXPECT_THROW(decode_join(join.substr(0, size)), Error) << size;
    const std::string body = encode(BodyRequest{{}, 1, 1, {1, 2}, {}});
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_THROW(decode_body(body.substr(0, size)), Error) << size;
}

TEST(Messages, WhatFollowsTheEndIsRefused) {
    EXPECT_THROW(decode_join(encode(a_join()) + "x"), Error);
    EXPECT_THROW(decode_channel(encode(ChannelRequest{}) + "x"), Error);
    EXPECT_THROW(decode_ended(encode(EndedRequest{}) + "x"), Error);
    EXPECT_THROW(decode_used(encode(BodyUsed{}).substr(1)), Error);
    EXPECT_THROW(decode_joined(encode(Joined{1, "n0"}) + "x"), Error);
}

TEST(Messages, NoUserIsRefused) {
    // setresuid(-1) would leave a body process root.
    EXPECT_THROW(decode_body(encode(BodyRequest{{}, ~0u, 1, {}, {}})), Error);
    EXPECT_THROW(decode_body(encode(BodyRequest{{}, 1, ~0u, {}, {}})), Error);
    EXPECT_THROW(decode_body(encode(BodyRequest{{}, 1, 1, {~0u}, {}})), Error);
}

TEST(Messages, ANameThatIsNoneIsRefused) {
    for (const char* name : {"", "a b", "a\nb", "../x", "\x1b[2J"}) {
        Join join = a_join();
        join.name = name;
        EXPECT_THROW(decode_join(encode(join)), Error) << name;
    }
    Join join = a_join();
    join.name = std::string(max_name + 1, 'a');
    EXPECT_THROW(decode_join(encode(join)), Error);
}

TEST(Messages, ImpossibleNumbersAreRefused) {
    Join join = a_join();
    join.cpus = 0;
    EXPECT_THROW(decode_join(encode(join)), Error);
    join = a_join();
    join.port = 0;
    EXPECT_THROW(decode_join(encode(join)), Error);
    EXPECT_THROW(decode_joined(encode(Joined{0, "n0"})), Error);
    EXPECT_THROW(decode_joined(encode(Joined{max_nodes, "n0"})), Error);
    EXPECT_THROW(decode_members(encode(std::vector<MemberInfo>(max_nodes + 1))), Error);
}

TEST(Messages, AReasonIsMadePrintable) {
    EXPECT_EQ(printable("a\nb\x1b[1m"), "a?b?[1m");
    EXPECT_EQ(printable(std::string(1000, 'a')).size(), 200u);
}

}  // namespace
}  // namespace holon::ssi::daemon
