// SPDX-License-Identifier: GPL-2.0-or-later
// What a peer may not do is named, and changes nothing.
#include <gtest/gtest.h>

#include "ssi_dsm_kit.h"

namespace holon::ssi::dsm {
namespace {

using test::full_of;
using test::Net;
using wire::Type;

constexpr Page p = 0x1234;

class SsiDsmHostile : public testing::Test {
  protected:
    Status to_home(Node from, wire::Frame frame) {
        return net.home().receive(from, frame, payload.data(), net.now());
    }
    Status to_node(wire::Frame frame) {
        return net.remote(1).receive(frame, payload.data(), net.now());
    }
    Net net;
    std::vector<std::byte> payload = full_of('!', max_run);
};

TEST_F(SsiDsmHostile, AnAckWithoutACommandIsRefused) {
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 1, 0, 0)), Status::ack_without_command);
    net.read(1, p);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 1, 0, page_size)), Status::ack_without_command);
}

TEST_F(SsiDsmHostile, AnAckFromANodeThatWasNotAskedIsRefused) {
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(0, p, Mode::read), Status::ok);
    EXPECT_EQ(to_home(2, make_frame(Type::ack, p, 1, 0, page_size)), Status::ack_without_command);
    EXPECT_EQ(net.home().state(p), PageState::invalid);
}

TEST_F(SsiDsmHostile, AnAckWithoutThePageItOwesIsRefused) {
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(0, p, Mode::read), Status::ok);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 1, wire::ack_absent, 0)), Status::data_missing);
}

TEST_F(SsiDsmHostile, AnAckWithAPageNobodyAskedForIsRefused) {
    net.begin_with(p, 'a');
    net.read(1, p);
    ASSERT_EQ(net.fault(0, p, Mode::write), Status::ok);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 1, 0, page_size)), Status::data_unexpected);
    EXPECT_EQ(net.kernel(0).letter(p), 'a');
}

TEST_F(SsiDsmHostile, FramesThatMeanNothingToTheHomeAreRefused) {
    EXPECT_EQ(to_home(1, make_frame(Type::grant, p, 1, 0, 0)), Status::unknown_type);
    EXPECT_EQ(to_home(1, make_frame(static_cast<Type>(999), p, 0, 0, 0)), Status::unknown_type);
    EXPECT_EQ(to_home(1, make_frame(Type::request, p, 2, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_home(1, make_frame(Type::request, p, 0, 1, 0)), Status::bad_flags);
    EXPECT_EQ(to_home(1, make_frame(Type::request, p, 0, 0, 8)), Status::bad_length);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 1, 0, 8)), Status::bad_length);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 1, 64, 0)), Status::bad_flags);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 0, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, max_run + 1, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_home(1, make_frame(Type::ack, p, 2, 0, page_size)), Status::bad_length);
    EXPECT_EQ(to_home(1, make_frame(Type::request, page_limit, 0, 0, 0)), Status::bad_address);
    auto odd = make_frame(Type::request, p, 0, 0, 0);
    ++odd.a;
    EXPECT_EQ(to_home(1, odd), Status::bad_address);
    EXPECT_EQ(to_home(0, make_frame(Type::request, p, 0, 0, 0)), Status::bad_node);
    EXPECT_EQ(to_home(32, make_frame(Type::request, p, 0, 0, 0)), Status::bad_node);
}

TEST_F(SsiDsmHostile, ARequestForWhatIsNotMappedIsDroppedAndCostsNothing) {
    net.kernel(0).mapping = {0, 0};
    const auto blocks = net.kernel(0).blocks.size();
    EXPECT_EQ(to_home(1, make_frame(Type::request, p, 1, 0, 0)), Status::ok);
    EXPECT_EQ(net.frames_to(1), 0U);
    EXPECT_EQ(net.kernel(0).blocks.size(), blocks);
    EXPECT_EQ(net.home().counters().stray_requests, 1U);
}

TEST_F(SsiDsmHostile, TheSameRequestManyTimesIsOneRequest) {
    net.write(1, p, 'b');
    for (int i = 0; i < 1000; ++i)
        ASSERT_EQ(to_home(2, make_frame(Type::request, p, i & 1, 0, 0)), Status::ok);
    EXPECT_EQ(net.frames_to(1), 1U);
    net.settle();
    EXPECT_EQ(net.failure, "");
}

TEST_F(SsiDsmHostile, RequestsForMorePagesThanCanBeBusyAreRefused) {
    constexpr Page many = 20'000;
    for (Page page = 0; page < many; ++page)
        ASSERT_EQ(to_home(1, make_frame(Type::request, page, 1, 0, 0)), Status::ok);
    Status status = Status::ok;
    Page page = 0;
    for (; status == Status::ok && page < many; ++page)
        status = to_home(2, make_frame(Type::request, page, 1, 0, 0));
    EXPECT_EQ(status, Status::too_many_requests);
    EXPECT_GT(page, 5'000U);
}

TEST_F(SsiDsmHostile, AGrantOfWhatTheNodeHasIsRefused) {
    net.write(1, p, 'b');
    const auto data = wire::grant_data;
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, data, page_size)),
              Status::grant_contradicts_state);
    EXPECT_EQ(net.kernel(1).letter(p), 'b');
    EXPECT_EQ(to_node(make_frame(Type::grant, p - 1, 2, data, 2 * page_size)),
              Status::grant_contradicts_state);
    EXPECT_EQ(net.kernel(1).letter(p - 1), '-');
}

TEST_F(SsiDsmHostile, AnUpgradeOfWhatTheNodeLacksIsRefused) {
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, wire::grant_upgrade | wire::grant_writable, 0)),
              Status::grant_contradicts_state);
}

TEST_F(SsiDsmHostile, FramesThatMeanNothingToANodeAreRefused) {
    EXPECT_EQ(to_node(make_frame(Type::ack, p, 1, 0, 0)), Status::unknown_type);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 0, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, max_zeros + 1, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, max_run + 1, 2, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::recall, p, 0, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::recall, p, max_run + 1, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, page_limit - 1, 2, 0, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, 0x80, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, wire::grant_upgrade, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, wire::grant_migratory, 0)), Status::bad_flags);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, wire::grant_data, 17)), Status::bad_length);
    EXPECT_EQ(to_node(make_frame(Type::grant, p, 1, 0, page_size)), Status::bad_length);
    EXPECT_EQ(to_node(make_frame(Type::recall, p, 1, 0, 8)), Status::bad_length);
    EXPECT_EQ(to_node(make_frame(Type::recall, page_limit, 1, 0, 0)), Status::bad_address);
}

TEST_F(SsiDsmHostile, ACommandForWhatTheNodeLacksIsAnsweredSo) {
    ASSERT_EQ(to_node(make_frame(Type::recall, p, 1, 0, 0)), Status::ok);
    ASSERT_EQ(net.frames_from(1), 1U);
    EXPECT_EQ(net.kernel(1).out[0].front().frame.flags, wire::ack_absent);
    EXPECT_EQ(net.kernel(1).out[0].front().frame.length, 0U);
}

TEST(SsiDsmHold, ASecondCommandWhileOneWaitsIsRefused) {
    Config config = Net::plain();
    config.hold_ns = 50'000;
    Net net(config);
    net.write(1, p, 'b');
    const auto recall = make_frame(Type::recall, p, 1, 0, 0);
    ASSERT_EQ(net.remote(1).receive(recall, nullptr, net.now()), Status::ok);
    EXPECT_EQ(net.remote(1).receive(recall, nullptr, net.now()), Status::command_contradicts_state);
}

}  // namespace
}  // namespace holon::ssi::dsm
