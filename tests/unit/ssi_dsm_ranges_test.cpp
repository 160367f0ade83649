// SPDX-License-Identifier: GPL-2.0-or-later
// Discarding and gathering ranges, the table behind them, and what happens when memory is short.
#include <gtest/gtest.h>

#include "ssi_dsm_kit.h"

namespace holon::ssi::dsm {
namespace {

using test::Kernel;
using test::Net;
using test::Port;
using wire::Type;

constexpr Page p = 0x7f000'1000;

/// The runtime's part of unmap and discard on one node.
void forget(Net& net, Node node, Page first, Page last) {
    if (node)
        net.remote(node).discard(first, last);
    else
        net.home().discard(first, last);
    auto& pages = net.kernel(node).pages;
    pages.erase(pages.lower_bound(first), pages.upper_bound(last));
}
void forget_everywhere(Net& net, Page first, Page last) {
    for (Node node = 0; node < 4; ++node) forget(net, node, first, last);
}

TEST(SsiDsmRanges, DiscardedPagesAreUntouchedAgain) {
    Net net;
    net.write(1, p, 'b');
    net.write(2, p + 1, 'c');
    ASSERT_EQ(net.home().begin_discard(p, p + 1), Status::ok);
    forget_everywhere(net, p, p + 1);
    ASSERT_EQ(net.home().finish_discard(p, p + 1, Afterwards::unknown, Held::serve, net.now()),
              Status::ok);
    net.read(2, p);
    EXPECT_EQ(net.kernel(2).letter(p), '0');
    EXPECT_EQ(net.home().holders(p + 1), 0U);
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsmRanges, UntouchedAfterwardsSavesTheQuestionWhetherThePageIsAtHome) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    forget_everywhere(net, p, p);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::untouched, Held::serve, net.now()),
              Status::ok);
    const auto asked = net.kernel(0).home_questions;
    net.read(2, p);
    EXPECT_EQ(net.kernel(0).home_questions, asked);
    EXPECT_EQ(net.kernel(2).letter(p), '0');
}

TEST(SsiDsmRanges, NothingIsGrantedWhileARangeIsDiscarded) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.home().begin_discard(p, p + 9), Status::ok);
    ASSERT_EQ(net.fault(2, p, Mode::read), Status::ok);
    ASSERT_EQ(net.fault(3, p + 5, Mode::write), Status::ok);
    ASSERT_EQ(net.fault(0, p + 6, Mode::write), Status::ok);
    net.to_home(2);
    net.to_home(3);
    EXPECT_EQ(net.frames_to(1) + net.frames_to(2) + net.frames_to(3), 0U);
    EXPECT_EQ(net.home().state(p + 6), PageState::invalid);
}

TEST(SsiDsmRanges, WhoAskedAgainAfterItsOwnDiscardIsServedAtTheEnd) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    forget(net, 1, p, p);
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);  // node 2 has not answered yet
    net.to_home(1);
    for (Node node : {0U, 2U, 3U}) forget(net, node, p, p);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::unknown, Held::serve, net.now()),
              Status::ok);
    net.settle();
    EXPECT_EQ(net.kernel(1).letter(p), '0');
}

TEST(SsiDsmRanges, RequestsForAnUnmappedRangeAreDroppedAtTheEnd) {
    Net net;
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    net.to_home(1);
    forget_everywhere(net, p, p);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::unknown, Held::drop, net.now()),
              Status::ok);
    EXPECT_EQ(net.frames_to(1), 0U);
    net.read(1, p);  // mapped anew: asked and served as if nothing had been
    EXPECT_EQ(net.kernel(1).letter(p), '0');
}

TEST(SsiDsmRanges, AnAckThatCrossesADiscardIsTakenAndGrantsNothing) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(2, p, Mode::write), Status::ok);
    net.to_home(2);
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    EXPECT_EQ(net.to_node(1), Type::recall);
    EXPECT_EQ(net.to_home(1), Type::ack);
    EXPECT_EQ(net.failure, "");
    EXPECT_EQ(net.frames_to(2), 0U);
    forget_everywhere(net, p, p);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::unknown, Held::serve, net.now()),
              Status::ok);
    net.read(2, p);
    EXPECT_EQ(net.kernel(2).letter(p), '0');
}

TEST(SsiDsmRanges, ADiscardEndsTheWaitOfACommandForTheMinimumHold) {
    Config config = Net::plain();
    config.hold_ns = 50'000;
    Net net(config);
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(2, p, Mode::write), Status::ok);
    net.to_home(2);
    EXPECT_EQ(net.to_node(1), Type::recall);  // deferred
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    forget_everywhere(net, p, p);
    EXPECT_EQ(net.remote(1).next_deadline(), never);
    ASSERT_EQ(net.remote(1).tick(net.now() + 1'000'000), Status::ok);
    EXPECT_EQ(net.frames_from(1), 0U);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::unknown, Held::serve, net.now()),
              Status::ok);
    net.read(2, p);
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsmRanges, AnAckAfterTheEndOfADiscardIsAViolation) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(2, p, Mode::write), Status::ok);
    net.to_home(2);
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    net.to_node(1);
    forget_everywhere(net, p, p);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::unknown, Held::drop, net.now()),
              Status::ok);
    net.to_home(1);
    EXPECT_EQ(net.failure, describe(Status::ack_without_command));
}

TEST(SsiDsmRanges, AGatherToReadBringsCopiesHome) {
    Net net;
    for (Page page = p; page < p + 10; ++page)
        net.write(1 + static_cast<Node>(page % 3), page, 'd');
    ASSERT_EQ(net.home().gather(0, page_limit - 1, Mode::read, 77, net.now()), Status::ok);
    EXPECT_FALSE(net.kernel(0).gathered.count(77));
    net.settle();
    EXPECT_TRUE(net.kernel(0).gathered.count(77));
    for (Page page = p; page < p + 10; ++page) {
        EXPECT_EQ(net.kernel(0).letter(page), 'd');
        EXPECT_EQ(net.home().state(page), PageState::shared);
    }
}

TEST(SsiDsmRanges, AGatherToOwnLeavesNothingElsewhere) {
    Net net;
    net.begin_with(p, 'a');
    net.read(1, p);
    net.write(2, p + 1, 'c');
    ASSERT_EQ(net.home().gather(p, p + 100, Mode::write, 5, net.now()), Status::ok);
    net.settle();
    EXPECT_TRUE(net.kernel(0).gathered.count(5));
    for (Page page : {p, p + 1}) {
        EXPECT_EQ(net.home().holders(page), 1U);
        EXPECT_EQ(net.home().state(page), PageState::modified);
    }
    EXPECT_EQ(net.kernel(0).letter(p + 1), 'c');
}

TEST(SsiDsmRanges, AGatherOfWhatIsAtHomeIsDoneAtOnce) {
    Net net;
    net.write(0, p, 'a');
    ASSERT_EQ(net.home().gather(0, page_limit - 1, Mode::write, 6, net.now()), Status::ok);
    EXPECT_TRUE(net.kernel(0).gathered.count(6));
}

TEST(SsiDsmRanges, AGatherOfManyPagesGoesInWindows) {
    Net net;
    constexpr unsigned many = 1000;
    for (Page page = p; page < p + many; ++page) net.write(1, page, 'e');
    ASSERT_EQ(net.home().gather(0, page_limit - 1, Mode::read, 8, net.now()), Status::ok);
    EXPECT_EQ(net.frames_to(1), Shape::gather_window / ahead_run);
    net.settle();
    EXPECT_TRUE(net.kernel(0).gathered.count(8));
    EXPECT_EQ(net.home().state(p + many - 1), PageState::shared);
}

TEST(SsiDsmRanges, AGatheredRangeIsHeldUntilItsRelease) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.home().gather(0, page_limit - 1, Mode::read, 9, net.now()), Status::ok);
    net.settle();
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);       // an upgrade
    ASSERT_EQ(net.fault(2, p + 64, Mode::write), Status::ok);  // untouched
    net.settle();
    EXPECT_EQ(net.remote(1).state(p), PageState::shared);
    EXPECT_EQ(net.remote(2).state(p + 64), PageState::invalid);
    ASSERT_EQ(net.home().release(0, page_limit - 1, net.now()), Status::ok);
    net.settle();
    EXPECT_EQ(net.remote(1).state(p), PageState::modified);
    EXPECT_EQ(net.remote(2).state(p + 64), PageState::modified);
}

TEST(SsiDsmRanges, TheHomeGoesOnUsingWhatIsGathered) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.home().gather(p, p, Mode::read, 9, net.now()), Status::ok);
    net.settle();
    net.write(0, p, 'z');
    EXPECT_EQ(net.home().state(p), PageState::modified);
    EXPECT_EQ(net.kernel(1).letter(p), '-');
}

TEST(SsiDsmRanges, AGatherWaitsForThePageThatIsOnItsWayElsewhere) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(2, p, Mode::write), Status::ok);
    net.to_home(2);  // node 1 is being recalled for node 2
    ASSERT_EQ(net.home().gather(p, p, Mode::write, 10, net.now()), Status::ok);
    net.to_node(1);
    net.to_home(1);
    EXPECT_FALSE(net.kernel(0).gathered.count(10));
    net.settle();
    EXPECT_TRUE(net.kernel(0).gathered.count(10));
    EXPECT_EQ(net.home().holders(p), 1U);
}

TEST(SsiDsmRanges, MremapIsAGatherADiscardAndAMoveOfThePages) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.home().gather(p, p, Mode::write, 11, net.now()), Status::ok);
    net.settle();
    ASSERT_EQ(net.home().begin_discard(p, p), Status::ok);
    ASSERT_EQ(net.home().release(p, p, net.now()), Status::ok);
    const auto moved = net.kernel(0).pages.extract(p);
    net.kernel(0).pages[p + 500] = moved.mapped();
    forget_everywhere(net, p, p);
    ASSERT_EQ(net.home().finish_discard(p, p, Afterwards::unknown, Held::drop, net.now()),
              Status::ok);
    net.read(2, p + 500);
    EXPECT_EQ(net.kernel(2).letter(p + 500), 'b');
}

TEST(SsiDsmRanges, RangesThatAreNoneAreRefused) {
    Net net;
    EXPECT_EQ(net.home().begin_discard(5, 4), Status::bad_address);
    EXPECT_EQ(net.home().begin_discard(0, page_limit), Status::bad_address);
    EXPECT_EQ(net.home().gather(5, 4, Mode::read, 0, 0), Status::bad_address);
    EXPECT_EQ(net.home().release(1, 2, 0), Status::bad_address);
    EXPECT_EQ(net.home().finish_discard(1, 2, Afterwards::unknown, Held::drop, 0),
              Status::bad_address);
}

TEST(SsiDsmRanges, WithoutMemoryForTheDirectoryThatIsSaid) {
    Net net;
    net.kernel(0).block_limit = 6;
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    const auto request = net.kernel(1).out[0].front();
    net.kernel(1).out[0].clear();
    Status status = Status::ok;
    for (unsigned i = 0; i < 8 && status == Status::ok; ++i) {
        auto frame = request.frame;
        frame.a += std::uint64_t{i} << 40;  // each in a subtree of its own
        status = net.home().receive(1, frame, nullptr, net.now());
    }
    EXPECT_EQ(status, Status::out_of_memory);
}

// --- the table

struct Entry {
    std::uint64_t value;
};

TEST(SsiDsmTable, NextSkipsWhatWasNeverTouched) {
    Kernel kernel;
    Port port{&kernel};
    RadixTable<Entry> table;
    table.make(port, 7)->value = 1;
    table.make(port, page_limit - 1)->value = 2;
    std::vector<std::uint64_t> found;
    unsigned visits = 0;
    Page page = 0;
    for (Entry* entry; (entry = table.next(page, page_limit - 1)); ++page, ++visits)
        if (entry->value) found.push_back(page);
    EXPECT_EQ(found, (std::vector<std::uint64_t>{7, page_limit - 1}));
    EXPECT_EQ(visits, 2U * 512);
}

TEST(SsiDsmTable, EraseFreesWhatLiesWhollyInside) {
    Kernel kernel;
    Port port{&kernel};
    RadixTable<Entry> table;
    for (Page page = 0; page < 4096; ++page) table.make(port, page)->value = 1;
    const auto before = kernel.blocks.size();
    table.erase(port, 100, 3000);
    EXPECT_EQ(table.find(99)->value, 1U);
    EXPECT_EQ(table.find(100)->value, 0U);
    EXPECT_EQ(table.find(1000), nullptr);
    EXPECT_EQ(table.find(3000)->value, 0U);
    EXPECT_EQ(table.find(3001)->value, 1U);
    EXPECT_EQ(kernel.blocks.size(), before - 4);
    table.erase(port, 0, page_limit - 1);
    EXPECT_TRUE(kernel.blocks.empty());
}

}  // namespace
}  // namespace holon::ssi::dsm
