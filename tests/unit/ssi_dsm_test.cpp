// SPDX-License-Identifier: GPL-2.0-or-later
// Every transition of the memory protocol, and every race that its design names.
#include "ssi_dsm_kit.h"

#include <gtest/gtest.h>

namespace holon::ssi::dsm {
namespace {

using test::Net;
using wire::Type;

constexpr Page p = 0x55555;

TEST(SsiDsm, APageThatWasAtHomeBeforeIsTheHomesAlone) {
    Net net;
    net.begin_with(p, 'a');
    net.read(1, p);
    EXPECT_EQ(net.kernel(1).letter(p), 'a');
    EXPECT_EQ(net.kernel(0).home_questions, 1U);
    EXPECT_EQ(net.home().holders(p), 0b11U);
}

TEST(SsiDsm, AnUntouchedPageIsZerosAndBelongsToWhoTouchesItFirst) {
    Net net;
    net.read(2, p);
    EXPECT_EQ(net.kernel(2).said(), "own " + std::to_string(p));
    EXPECT_EQ(net.kernel(2).letter(p), '0');
    EXPECT_EQ(net.home().holders(p), 0b100U);
    EXPECT_EQ(net.kernel(0).said(), "");
}

TEST(SsiDsm, AReaderOfTheHomesPageMakesTheHomeAReader) {
    Net net;
    net.begin_with(p, 'a');
    net.read(1, p);
    const auto n = std::to_string(p);
    EXPECT_EQ(net.kernel(0).said(), "protect " + n + ", copy " + n);
    EXPECT_EQ(net.kernel(1).said(), "share " + n);
    EXPECT_EQ(net.home().state(p), PageState::shared);
    EXPECT_EQ(net.remote(1).state(p), PageState::shared);
}

TEST(SsiDsm, AWriterOfTheHomesPageTakesIt) {
    Net net;
    net.begin_with(p, 'a');
    net.write(1, p, 'b');
    const auto n = std::to_string(p);
    EXPECT_EQ(net.kernel(0).said(), "protect " + n + ", copy " + n + ", drop " + n);
    EXPECT_EQ(net.kernel(1).said(), "own " + n);
    EXPECT_EQ(net.home().holders(p), 0b10U);
}

TEST(SsiDsm, ARemotePageReadElsewhereIsLeftReadableAtHomeToo) {
    Net net;
    net.write(1, p, 'b');
    net.read(2, p);
    EXPECT_EQ(net.home().holders(p), 0b111U);
    for (Node node : {0U, 1U, 2U}) EXPECT_EQ(net.kernel(node).letter(p), 'b') << node;
    EXPECT_EQ(net.remote(1).state(p), PageState::shared);
}

TEST(SsiDsm, ARemotePageWrittenElsewherePassesThroughTheHomeWithoutStayingThere) {
    Net net;
    net.write(1, p, 'b');
    net.quiet();
    net.write(2, p, 'c');
    EXPECT_EQ(net.kernel(0).said(), "");
    EXPECT_EQ(net.home().holders(p), 0b100U);
    EXPECT_EQ(net.kernel(1).letter(p), '-');
}

TEST(SsiDsm, TheHomeReadsWhatARemoteNodeWrote) {
    Net net;
    net.write(1, p, 'b');
    net.read(0, p);
    EXPECT_EQ(net.kernel(0).letter(p), 'b');
    EXPECT_EQ(net.home().holders(p), 0b11U);
}

TEST(SsiDsm, TheHomeWritesWhatARemoteNodeHad) {
    Net net;
    net.write(1, p, 'b');
    net.write(0, p, 'c');
    EXPECT_EQ(net.home().holders(p), 0b1U);
    EXPECT_EQ(net.kernel(1).letter(p), '-');
}

TEST(SsiDsm, AReaderThatWritesIsUpgradedWithoutData) {
    Net net;
    net.begin_with(p, 'a');
    net.read(1, p);
    net.quiet();
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);
    net.to_home(1);
    ASSERT_EQ(net.frames_to(1), 1U);
    EXPECT_EQ(net.kernel(0).out[1].front().frame.length, 0U);
    net.settle();
    EXPECT_EQ(net.kernel(1).said(), "upgrade " + std::to_string(p));
    EXPECT_EQ(net.kernel(0).said(), "drop " + std::to_string(p));
}

TEST(SsiDsm, TheHomeIsUpgradedWhenItsReadersAreGone) {
    Net net;
    net.begin_with(p, 'a');
    net.read(1, p);
    net.read(2, p);
    net.quiet();
    net.write(0, p, 'z');
    EXPECT_EQ(net.kernel(0).said(), "upgrade " + std::to_string(p));
    EXPECT_EQ(net.kernel(1).letter(p), '-');
    EXPECT_EQ(net.kernel(2).letter(p), '-');
}

TEST(SsiDsm, ANewWriterIsGrantedOnlyAfterEveryAck) {
    Net net;
    net.begin_with(p, 'a');
    for (Node node : {1U, 2U, 3U}) net.read(node, p);
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);
    net.to_home(1);
    EXPECT_EQ(net.to_node(2), Type::invalidate);
    EXPECT_EQ(net.to_node(3), Type::invalidate);
    net.to_home(2);
    EXPECT_EQ(net.frames_to(1), 0U);
    EXPECT_NE(net.kernel(0).letter(p), '-');
    net.to_home(3);
    EXPECT_EQ(net.frames_to(1), 1U);
    EXPECT_EQ(net.kernel(0).letter(p), '-');
}

TEST(SsiDsm, RequestsForABusyPageAreServedInTheOrderTheyCame) {
    Net net;
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(2, p, Mode::write), Status::ok);
    ASSERT_EQ(net.fault(3, p, Mode::write), Status::ok);
    net.to_home(2);
    net.to_home(3);
    EXPECT_EQ(net.to_node(1), Type::recall);
    net.to_home(1);
    EXPECT_EQ(net.to_node(2), Type::grant);
    net.kernel(2).store(p, 'c');
    EXPECT_EQ(net.to_node(2), Type::recall);
    net.to_home(2);
    EXPECT_EQ(net.to_node(3), Type::grant);
    EXPECT_EQ(net.kernel(3).letter(p), 'c');
}

TEST(SsiDsm, AFaultThatAGrantHasAlreadyServedIsOnlyWoken) {
    Net net;
    net.read(1, p);
    net.quiet();
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);
    EXPECT_EQ(net.kernel(1).said(), "wake " + std::to_string(p));
    EXPECT_EQ(net.frames_from(1), 0U);
}

TEST(SsiDsm, TwoThreadsThatFaultOnAPageAskOnce) {
    Net net;
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    EXPECT_EQ(net.frames_from(1), 1U);
}

TEST(SsiDsm, AReaderBesideAWriterThatWaitsNeedNotAsk) {
    Net net;
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    EXPECT_EQ(net.frames_from(1), 1U);
}

TEST(SsiDsm, AnUpgradeThatCrossesAnInvalidationIsGrantedWithTheNewContents) {
    Net net;
    net.begin_with(p, 'a');
    net.read(1, p);
    net.read(2, p);
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);
    ASSERT_EQ(net.fault(2, p, Mode::write), Status::ok);
    net.to_home(2);  // node 2 is first: node 1's copy must go although its upgrade is on its way
    net.to_home(1);
    EXPECT_EQ(net.to_node(1), Type::invalidate);
    net.to_home(1);
    EXPECT_EQ(net.to_node(2), Type::grant);
    net.kernel(2).store(p, 'c');
    net.settle();
    EXPECT_EQ(net.kernel(1).letter(p), 'c');
    EXPECT_EQ(net.remote(1).state(p), PageState::modified);
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsm, ARequestThatCrossesTheGrantItAsksForIsDropped) {
    Net net;
    net.begin_with(p, 'a');
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);  // both requests are on their way
    std::swap(net.kernel(1).out[0][0], net.kernel(1).out[0][1]);
    net.to_home(1);
    EXPECT_EQ(net.frames_to(1), 1U);
    net.to_home(1);  // the read: node 1 is about to own the page
    EXPECT_EQ(net.frames_to(1), 1U);
    EXPECT_EQ(net.home().counters().stale_requests, 1U);
}

TEST(SsiDsm, AGrantThatCrossesAnInvalidationIsTakenAndGivenBackInOrder) {
    Net net;
    net.begin_with(p, 'a');
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    net.to_home(1);  // the grant is on its way
    ASSERT_EQ(net.fault(0, p, Mode::write), Status::ok);
    EXPECT_EQ(net.home().state(p), PageState::shared);
    EXPECT_EQ(net.to_node(1), Type::grant);
    EXPECT_EQ(net.to_node(1), Type::invalidate);
    EXPECT_EQ(net.home().state(p), PageState::shared);
    net.to_home(1);
    EXPECT_EQ(net.home().state(p), PageState::modified);
    EXPECT_EQ(net.kernel(1).letter(p), '-');
}

// --- minimum hold

Config with_hold() {
    Config config = Net::plain();
    config.hold_ns = 50'000;
    return config;
}

TEST(SsiDsm, APageIsHeldBeforeItIsGivenBack) {
    Net net(with_hold());
    net.write(1, p, 'b');
    ASSERT_EQ(net.fault(2, p, Mode::read), Status::ok);
    net.to_home(2);
    net.pass(20'000);
    EXPECT_EQ(net.to_node(1), Type::downgrade);
    EXPECT_EQ(net.frames_from(1), 0U);
    const auto deadline = net.remote(1).next_deadline();
    EXPECT_NEAR(static_cast<double>(deadline), static_cast<double>(net.now() + 30'000), 2'000);
    net.pass(20'000);
    ASSERT_EQ(net.remote(1).tick(net.now()), Status::ok);
    EXPECT_EQ(net.frames_from(1), 0U);
    ASSERT_EQ(net.remote(1).tick(deadline), Status::ok);
    EXPECT_EQ(net.frames_from(1), 1U);
    EXPECT_EQ(net.remote(1).next_deadline(), never);
    net.settle();
    EXPECT_EQ(net.kernel(2).letter(p), 'b');
}

TEST(SsiDsm, APageHeldLongEnoughIsGivenBackAtOnce) {
    Net net(with_hold());
    net.write(1, p, 'b');
    net.pass(60'000);
    net.read(2, p);
    EXPECT_EQ(net.kernel(2).letter(p), 'b');
    EXPECT_EQ(net.remote(1).counters().deferred, 0U);
}

TEST(SsiDsm, TheHomeHoldsItsOwnPagesToo) {
    Net net(with_hold());
    net.write(0, p, 'h');
    ASSERT_EQ(net.fault(1, p, Mode::read), Status::ok);
    net.to_home(1);
    EXPECT_EQ(net.frames_to(1), 0U);
    net.pass(60'000);
    ASSERT_EQ(net.home().tick(net.now()), Status::ok);
    net.settle();
    EXPECT_EQ(net.kernel(1).letter(p), 'h');
}

TEST(SsiDsm, ACopyThatOnlyPassedThroughTheHomeIsNotHeld) {
    Net net(with_hold());
    net.write(1, p, 'b');
    net.pass(60'000);
    net.read(2, p);
    ASSERT_EQ(net.fault(1, p, Mode::write), Status::ok);
    net.pass(60'000);
    net.settle();
    EXPECT_EQ(net.remote(1).state(p), PageState::modified);
    EXPECT_EQ(net.home().counters().deferred, 0U);
}

TEST(SsiDsm, CommandsThatWaitAreCarriedOutInTheOrderOfTheirDeadlines) {
    Net net(with_hold());
    net.write(1, p, 'b');
    net.pass(10'000);
    net.write(1, p + 1, 'c');
    ASSERT_EQ(net.fault(0, p + 1, Mode::write), Status::ok);
    ASSERT_EQ(net.fault(0, p, Mode::write), Status::ok);
    net.to_node(1);
    net.to_node(1);
    const auto first = net.remote(1).next_deadline();
    ASSERT_EQ(net.remote(1).tick(first), Status::ok);
    ASSERT_EQ(net.frames_from(1), 1U);
    EXPECT_EQ(net.kernel(1).out[0].front().frame.a, p << page_shift);
    EXPECT_GT(net.remote(1).next_deadline(), first);
}

// --- first touch, prefetch, migratory pages

TEST(SsiDsm, TheFirstTouchBringsTheUntouchedNeighboursOfTheBlock) {
    Config config = Net::plain();
    config.first_touch = 16;
    Net net(config);
    net.begin_with(0x10c, 'x');
    net.read(1, 0x105);
    for (Page page = 0x100; page < 0x10c; ++page)
        EXPECT_EQ(net.remote(1).state(page), PageState::modified) << page;
    EXPECT_EQ(net.remote(1).state(0x0ff), PageState::invalid);
    EXPECT_EQ(net.remote(1).state(0x10c), PageState::invalid);
    EXPECT_EQ(net.remote(1).state(0x10d), PageState::invalid);
    EXPECT_EQ(net.home().counters().first_touched, 12U);
}

TEST(SsiDsm, WhoTouchesInAscendingOrderIsGrantedTwiceAsMuchEachTime) {
    Config config = Net::plain();
    config.first_touch = 16;
    config.ascending_touch = 64;
    Net net(config);
    std::vector<Page> asked;
    for (Page page = 0x100; page < 0x1f0; ++page) {
        if (net.remote(1).state(page) == PageState::invalid) asked.push_back(page);
        net.write(1, page, 'x');
    }
    EXPECT_EQ(asked, (std::vector<Page>{0x100, 0x110, 0x130, 0x170, 0x1b0}));
}

TEST(SsiDsm, TheFirstTouchStaysInTheMapping) {
    Config config = Net::plain();
    config.first_touch = 16;
    Net net(config);
    net.kernel(0).mapping = {0x103, 0x108};
    net.read(1, 0x105);
    EXPECT_EQ(net.remote(1).state(0x102), PageState::invalid);
    EXPECT_EQ(net.remote(1).state(0x103), PageState::modified);
    EXPECT_EQ(net.remote(1).state(0x107), PageState::modified);
    EXPECT_EQ(net.remote(1).state(0x108), PageState::invalid);
}

Config with_prefetch() {
    Config config = Net::plain();
    config.prefetch_reads = 16;
    config.prefetch_writes = 16;
    return config;
}

TEST(SsiDsm, AnAscendingReaderIsSentWindowsThatDouble) {
    Net net(with_prefetch());
    for (Page page = 0; page < 100; ++page) net.begin_with(page, 'a');
    std::vector<Page> asked;
    for (Page page = 0; page < 60; ++page) {
        if (net.remote(1).state(page) == PageState::invalid) asked.push_back(page);
        net.read(1, page);
    }
    EXPECT_EQ(asked, (std::vector<Page>{0, 1, 6, 15, 32, 49}));
    EXPECT_EQ(net.home().counters().prefetch_hits, 4U + 8U + 16U + 16U);
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsm, PagesSentAheadFromHomeTravelInOneGrant) {
    Net net(with_prefetch());
    for (Page page = 0; page < 6; ++page) net.begin_with(page, static_cast<char>('a' + page));
    net.read(1, 0);
    net.quiet();
    ASSERT_EQ(net.fault(1, 1, Mode::read), Status::ok);
    net.to_home(1);
    ASSERT_EQ(net.frames_to(1), 2U);  // what was asked for goes first
    EXPECT_EQ(net.kernel(0).out[1][1].frame.b, 4U);
    EXPECT_EQ(net.kernel(0).said(), "protect 1, copy 1, protect 2, copy 2");  // 2: all four
    net.settle();
    for (Page page = 0; page < 6; ++page) {
        EXPECT_EQ(net.kernel(1).letter(page), static_cast<char>('a' + page));
        EXPECT_EQ(net.home().holders(page), 0b11U);
    }
}

TEST(SsiDsm, APageThatTheHomeHoldsSplitsWhatIsSentAhead) {
    Config config = with_prefetch();
    config.hold_ns = 50'000;
    Net net(config);
    for (Page page : {0, 1, 2, 4, 5}) net.begin_with(page, 'a');
    net.write(0, 3, 'h');
    net.read(1, 0);
    net.read(1, 1);
    EXPECT_EQ(net.remote(1).state(2), PageState::shared);
    EXPECT_EQ(net.remote(1).state(3), PageState::invalid);
    EXPECT_EQ(net.remote(1).state(4), PageState::shared);
    EXPECT_EQ(net.home().state(3), PageState::modified);
    net.pass(60'000);
    ASSERT_EQ(net.home().tick(net.now()), Status::ok);
    net.settle();
    EXPECT_EQ(net.kernel(1).letter(3), 'h');
}

TEST(SsiDsm, TheHomeReadsAheadWhatARemoteNodeWrote) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.write(1, page, 'b');
    net.read(0, 10);
    net.read(0, 11);
    for (Page page = 12; page < 16; ++page) {
        EXPECT_EQ(net.home().state(page), PageState::shared) << page;
        EXPECT_EQ(net.kernel(0).letter(page), 'b');
    }
    EXPECT_EQ(net.home().state(16), PageState::invalid);
}

TEST(SsiDsm, NeighbouringPagesAreCommandedAndComeBackInOneFrame) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.write(1, page, static_cast<char>('A' + page));
    net.read(0, 10);
    ASSERT_EQ(net.fault(0, 11, Mode::read), Status::ok);
    ASSERT_EQ(net.frames_to(1), 1U);
    EXPECT_EQ(net.to_node(1), Type::downgrade);
    ASSERT_EQ(net.frames_from(1), 1U);
    EXPECT_EQ(net.kernel(1).out[0].front().frame.b, 5U);
    net.to_home(1);
    for (Page page = 10; page < 16; ++page)
        EXPECT_EQ(net.kernel(0).letter(page), static_cast<char>('A' + page));
    EXPECT_EQ(net.home().counters().downgrades, 6U);
}

TEST(SsiDsm, OfPagesCommandedTogetherTheHeldOnesComeBackLater) {
    Config config = with_prefetch();
    config.hold_ns = 50'000;
    Net net(config);
    for (Page page : {1, 2, 4, 5}) net.write(1, page, 'b');
    net.pass(60'000);
    net.write(1, 3, 'h');
    net.read(0, 1);
    ASSERT_EQ(net.fault(0, 2, Mode::read), Status::ok);
    net.settle();
    EXPECT_EQ(net.home().state(2), PageState::shared);
    EXPECT_EQ(net.home().state(3), PageState::invalid);
    EXPECT_EQ(net.home().state(5), PageState::shared);
    ASSERT_EQ(net.remote(1).tick(net.remote(1).next_deadline()), Status::ok);
    net.settle();
    EXPECT_EQ(net.kernel(0).letter(3), 'h');
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsm, AnAscendingWriterIsSentPagesToOwn) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.begin_with(page, 'a');
    net.write(1, 0, 'b');
    net.write(1, 1, 'b');
    for (Page page = 2; page < 6; ++page)
        EXPECT_EQ(net.remote(1).state(page), PageState::modified) << page;
}

TEST(SsiDsm, AReaderThatOverwritesInAscendingOrderIsUpgradedInOneGrant) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.begin_with(page, 'a');
    for (Page page = 0; page < 40; ++page) net.read(1, page);
    net.write(1, 0, 'b');
    ASSERT_EQ(net.fault(1, 1, Mode::write), Status::ok);
    net.to_home(1);
    ASSERT_EQ(net.frames_to(1), 2U);
    EXPECT_EQ(net.kernel(0).out[1][1].frame.b, 4U);
    EXPECT_EQ(net.kernel(0).out[1][1].frame.length, 0U);
    net.settle();
    for (Page page = 1; page < 6; ++page) {
        EXPECT_EQ(net.remote(1).state(page), PageState::modified) << page;
        EXPECT_EQ(net.home().state(page), PageState::invalid) << page;
    }
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsm, ADescendingReaderIsSentWindowsThatDouble) {
    Net net(with_prefetch());
    for (Page page = 0; page < 100; ++page) net.begin_with(page, 'a');
    std::vector<Page> asked;
    for (Page page = 60; page-- > 0;) {
        if (net.remote(1).state(page) == PageState::invalid) asked.push_back(page);
        net.read(1, page);
    }
    EXPECT_EQ(asked, (std::vector<Page>{59, 58, 53, 44, 27, 10}));
    EXPECT_EQ(net.home().counters().prefetch_hits, 4U + 8U + 16U + 16U);
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsm, WhatIsSentAheadOfADescendingReaderEndsWithTheMapping) {
    Net net(with_prefetch());
    for (Page page = 0; page < 4; ++page) net.begin_with(page, 'a');
    for (const Page page : {3, 2}) net.read(1, page);
    EXPECT_EQ(net.remote(1).state(0), PageState::shared);
    EXPECT_EQ(net.failure, "");
}

TEST(SsiDsm, ADescendingWriterIsSentPagesToOwn) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.begin_with(page, 'a');
    for (const Page page : {39, 38}) net.write(1, page, 'b');
    for (Page page = 34; page < 38; ++page)
        EXPECT_EQ(net.remote(1).state(page), PageState::modified) << page;
    EXPECT_EQ(net.remote(1).state(33), PageState::invalid);
}

TEST(SsiDsm, OneWhoGoesBackAPageAfterGoingOnForALongTimeIsNotTakenForDescending) {
    Net net(with_prefetch());
    for (Page page = 0; page < 100; ++page) net.begin_with(page, 'a');
    for (Page page = 50; page < 60; ++page) net.read(1, page);
    net.read(1, 49);
    EXPECT_EQ(net.remote(1).state(48), PageState::invalid);
}

TEST(SsiDsm, AnAscendingWriterIsNotSentWhatAThirdNodeOwns) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.begin_with(page, 'a');
    net.write(2, 3, 'c');
    net.write(1, 0, 'b');
    net.write(1, 1, 'b');
    EXPECT_EQ(net.remote(1).state(2), PageState::modified);
    EXPECT_EQ(net.remote(2).state(3), PageState::modified);
}

TEST(SsiDsm, ARandomReaderIsSentNothingAhead) {
    Net net(with_prefetch());
    for (Page page = 0; page < 100; ++page) net.begin_with(page, 'a');
    for (Page page : {5, 50, 20, 90, 70, 3}) net.read(1, page);
    EXPECT_EQ(net.home().counters().prefetched, 0U);
}

TEST(SsiDsm, AReaderInStepsIsSentWhatLiesBetween) {
    Net net(with_prefetch());
    for (Page page = 0; page < 100; ++page) net.begin_with(page, 'a');
    std::vector<Page> asked;
    for (Page page = 0; page < 60; page += 4) {
        if (net.remote(1).state(page) == PageState::invalid) asked.push_back(page);
        net.read(1, page);
    }
    EXPECT_EQ(asked, (std::vector<Page>{0, 4, 12, 24, 44}));
    EXPECT_EQ(net.remote(1).state(43), PageState::invalid);  // the window's end and the next step
    EXPECT_EQ(net.remote(1).state(46), PageState::shared);
}

TEST(SsiDsm, AReaderInLongStepsIsSentNothingAhead) {
    Net net(with_prefetch());
    for (Page page = 0; page < 100; ++page) net.begin_with(page, 'a');
    for (Page page = 0; page < 100; page += 10) net.read(1, page);
    EXPECT_EQ(net.home().counters().prefetched, 0U);
}

TEST(SsiDsm, AWriterInStepsIsSentOnlyWhatNobodyHasWrittenButItsFirstOwner) {
    Net net(with_prefetch());
    for (Page page = 0; page < 40; ++page) net.begin_with(page, 'a');
    net.write(2, 6, 'b');
    net.write(0, 6, 'c');  // back at home, where all others are
    for (Page page = 0; page <= 4; page += 4) net.write(1, page, 'd');
    EXPECT_EQ(net.remote(1).state(5), PageState::modified);
    EXPECT_EQ(net.remote(1).state(6), PageState::invalid);
    EXPECT_EQ(net.remote(1).state(7), PageState::modified);
    EXPECT_EQ(net.kernel(0).letter(6), 'c');
}

TEST(SsiDsm, AnUntouchedPageIsNotSentAhead) {
    Net net(with_prefetch());
    net.begin_with(0, 'a');
    net.begin_with(1, 'a');
    net.read(1, 0);
    net.read(1, 1);
    EXPECT_EQ(net.home().counters().prefetched, 0U);
}

Config with_migration() {
    Config config = Net::plain();
    config.migratory = true;
    return config;
}
void wander(Net& net, Node node, char letter) {
    net.read(node, p);
    net.write(node, p, letter);
}

TEST(SsiDsm, APageThatWandersFromWriterToWriterIsGrantedWritableOnRead) {
    Net net(with_migration());
    wander(net, 1, 'a');
    wander(net, 2, 'b');
    wander(net, 3, 'c');
    net.read(1, p);
    EXPECT_EQ(net.remote(1).state(p), PageState::modified);
    EXPECT_EQ(net.kernel(1).letter(p), 'c');
    EXPECT_EQ(net.home().holders(p), 0b10U);
    EXPECT_EQ(net.home().counters().migratory, 1U);
}

TEST(SsiDsm, APageThatIsHandedOverOnceDoesNotWander) {
    Net net(with_migration());
    net.begin_with(p, 'a');
    wander(net, 1, 'b');  // the home made it, node 1 works on it
    net.read(0, p);       // and the home reads the result
    EXPECT_EQ(net.home().state(p), PageState::shared);
    EXPECT_EQ(net.remote(1).state(p), PageState::shared);
}

TEST(SsiDsm, AWanderingPageThatComesBackCleanWandersNoMore) {
    Net net(with_migration());
    wander(net, 1, 'a');
    wander(net, 2, 'b');
    wander(net, 3, 'c');
    net.read(1, p);  // granted writable, but never written
    net.read(2, p);  // this one too; on the way the home sees that node 1 left it as it was
    EXPECT_EQ(net.home().counters().unmigrated, 1U);
    net.read(3, p);
    EXPECT_EQ(net.remote(3).state(p), PageState::shared);
    EXPECT_EQ(net.remote(2).state(p), PageState::shared);
}

TEST(SsiDsm, AWanderingPageThatIsWrittenGoesOnWandering) {
    Net net(with_migration());
    wander(net, 1, 'a');
    for (int round = 0; round < 6; ++round)
        wander(net, 1 + (1 + round) % 3, static_cast<char>('b' + round));
    EXPECT_EQ(net.home().counters().unmigrated, 0U);
    EXPECT_EQ(net.home().counters().migratory, 4U);
}

TEST(SsiDsm, APageWithSeveralReadersDoesNotWander) {
    Net net(with_migration());
    net.write(1, p, 'a');
    net.read(2, p);
    net.read(3, p);
    net.write(2, p, 'b');
    net.read(1, p);
    EXPECT_EQ(net.remote(1).state(p), PageState::shared);
}

}  // namespace
}  // namespace holon::ssi::dsm
