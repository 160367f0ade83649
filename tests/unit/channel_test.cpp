// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <stdexcept>

#include "plugins/channel/frame.h"

namespace holon::channel {
namespace {

using Mode = Decoder::Mode;
constexpr std::array<std::uint8_t, 16> nonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

Frame sample(std::string payload = "hello\n") {
    Frame frame;
    frame.type = Type::data;
    frame.stream = Stream::err;
    frame.flags = flag_last;
    frame.session = 0x0123456789abcdef;
    frame.offset = 0xfedcba9876543210;
    frame.payload = std::move(payload);
    return frame;
}

Frame sync_ack(const std::array<std::uint8_t, 16>& of) {
    Frame frame;
    frame.type = Type::sync_ack;
    frame.payload.assign(of.begin(), of.end());
    frame.payload += "{}";
    return frame;
}

void expect_same(const std::optional<Frame>& got, const Frame& want) {
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->type, want.type);
    EXPECT_EQ(got->stream, want.stream);
    EXPECT_EQ(got->flags, want.flags);
    EXPECT_EQ(got->session, want.session);
    EXPECT_EQ(got->offset, want.offset);
    EXPECT_EQ(got->payload, want.payload);
}

TEST(Channel, ChecksumIsTheStandardCrc32c) {
    EXPECT_EQ(crc32c(std::string_view("123456789")), 0xe3069283u);
    EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
    EXPECT_EQ(crc32c({}), 0u);
}

TEST(Channel, AFrameComesBackAsItWasEncoded) {
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}, max_payload}) {
        Decoder decoder(Mode::strict);
        const auto frame = sample(std::string(size, 'x'));
        decoder.feed(encode(frame));
        expect_same(decoder.next(), frame);
        EXPECT_EQ(decoder.next(), std::nullopt);
        EXPECT_EQ(decoder.buffered(), 0u);
    }
}

TEST(Channel, TheHeaderHasTheDocumentedLayout) {
    const auto bytes = encode(sample());
    ASSERT_EQ(bytes.size(), header_size + 6);
    EXPECT_EQ(bytes.substr(0, 8), std::string("HL\x08\x02\x06\x00\x00\x01", 8));
    EXPECT_EQ(bytes.substr(8, 8), "\xef\xcd\xab\x89\x67\x45\x23\x01");
    EXPECT_EQ(bytes.substr(16, 8), "\x10\x32\x54\x76\x98\xba\xdc\xfe");
}

TEST(Channel, APayloadOverTheLimitIsRefusedByTheSender) {
    EXPECT_THROW(encode(sample(std::string(max_payload + 1, 'x'))), std::length_error);
}

TEST(Channel, FramesMayArriveInAnyPieces) {
    const auto first = sample("one"), second = sample("");
    const auto bytes = encode(first) + encode(second);
    for (auto mode : {Mode::strict, Mode::resync}) {
        for (std::size_t split = 0; split <= bytes.size(); ++split) {
            Decoder decoder(mode);
            std::vector<Frame> got;
            for (auto part : {std::string_view(bytes).substr(0, split),
                              std::string_view(bytes).substr(split)}) {
                decoder.feed(part);
                while (auto frame = decoder.next()) got.push_back(*frame);
            }
            ASSERT_EQ(got.size(), 2u) << "split at " << split;
            expect_same(got[0], first);
            expect_same(got[1], second);
            EXPECT_EQ(decoder.skipped(), 0u);
        }
    }
}

TEST(Channel, ADamagedByteAnywhereIsAnErrorOnASocket) {
    const auto bytes = encode(sample());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
        Decoder decoder(Mode::strict);
        decoder.feed(damaged);
        EXPECT_THROW(decoder.next(), std::runtime_error) << "byte " << i;
    }
}

TEST(Channel, ADamagedByteAnywhereCostsOnlyThatFrameOnTheSerialPort) {
    const auto bytes = encode(sample());
    const auto after = sample("the next one");
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        auto damaged = bytes;
        damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
        Decoder decoder(Mode::resync);
        decoder.feed(damaged + encode(after));
        expect_same(decoder.next(), after);
        EXPECT_EQ(decoder.skipped(), bytes.size()) << "byte " << i;
    }
}

TEST(Channel, AValidHeaderWithAnImpossibleStreamIsGarbage) {
    auto frame = sample();
    frame.stream = static_cast<Stream>(3);
    Decoder decoder(Mode::strict);
    decoder.feed(encode(frame));
    EXPECT_THROW(decoder.next(), std::runtime_error);
}

TEST(Channel, ThePreambleDropsAHalfSentFrameWhereverItWasCut) {
    const auto bytes = encode(sample(std::string(max_payload, 'x')));
    for (std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{31}, header_size,
                            header_size + 1, header_size + 1000, bytes.size() - 1}) {
        Decoder decoder(Mode::resync);
        decoder.feed(bytes.substr(0, cut));
        EXPECT_EQ(decoder.next(), std::nullopt);
        decoder.feed(sync_preamble(nonce));
        const auto got = decoder.next();
        ASSERT_TRUE(got.has_value()) << "cut at " << cut;
        EXPECT_EQ(got->type, Type::sync);
        EXPECT_EQ(got->payload, std::string(nonce.begin(), nonce.end()));
    }
}

TEST(Channel, AUsersBytesInAHalfSentFrameAreNotTakenForFrames) {
    auto forged = sample("forged");
    forged.type = Type::open;
    const auto bytes = encode(sample(encode(forged) + std::string(100, 'x')));
    Decoder decoder(Mode::resync);
    decoder.feed(bytes.substr(0, bytes.size() - 50));
    decoder.feed(sync_preamble(nonce));
    const auto got = decoder.next();
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->type, Type::sync);
}

TEST(Channel, AStaleHeaderDoesNotSwallowTheAnswerToASync) {
    const auto stale = encode(sample(std::string(max_payload, 'x'))).substr(0, header_size + 10);
    std::array<std::uint8_t, 16> old_nonce{};
    for (auto mode : {Mode::strict, Mode::resync}) {
        Decoder decoder(mode);
        decoder.hunt_for_sync(nonce);
        decoder.feed(encode(sample()) + encode(sync_ack(old_nonce)) + stale);
        EXPECT_EQ(decoder.next(), std::nullopt);
        EXPECT_TRUE(decoder.hunting());
        decoder.feed(encode(sync_ack(nonce)) + encode(sample("after")));
        expect_same(decoder.next(), sync_ack(nonce));
        EXPECT_FALSE(decoder.hunting());
        expect_same(decoder.next(), sample("after"));
    }
}

TEST(Channel, TheAnswerToASyncMayArriveByteByByte) {
    Decoder decoder(Mode::resync);
    decoder.hunt_for_sync(nonce);
    const auto bytes = encode(sample()).substr(0, 20) + encode(sync_ack(nonce));
    std::optional<Frame> got;
    for (char byte : bytes) {
        ASSERT_FALSE(got.has_value());
        decoder.feed({&byte, 1});
        got = decoder.next();
    }
    expect_same(got, sync_ack(nonce));
}

TEST(Channel, GarbageIsForgottenNotKept) {
    Decoder decoder(Mode::resync);
    for (int i = 0; i < 100; ++i) {
        decoder.feed(std::string(100'000, 'z'));
        EXPECT_EQ(decoder.next(), std::nullopt);
        EXPECT_LT(decoder.buffered(), header_size);
    }
    EXPECT_EQ(decoder.skipped(), 10'000'000u);
}

TEST(Channel, FragmentsComeTogetherAgain) {
    for (std::size_t size :
         {std::size_t{0}, std::size_t{5}, max_payload, max_payload + 1, 3 * max_payload}) {
        const std::string text(size, 'j');
        Reassembly reassembly;
        const auto frames = fragment(Type::open, 7, text);
        for (std::size_t i = 0; i < frames.size(); ++i) {
            EXPECT_EQ(frames[i].session, 7u);
            const auto got = reassembly.add(frames[i]);
            ASSERT_EQ(got.has_value(), i + 1 == frames.size());
            if (got) {
                EXPECT_EQ(*got, text);
            }
        }
    }
}

TEST(Channel, AMissingFragmentIsAnErrorAndTheNextMessageIsWhole) {
    const std::string text(2 * max_payload + 5, 'j');
    const auto frames = fragment(Type::configure, 0, text);
    Reassembly reassembly;
    reassembly.add(frames[0]);
    EXPECT_THROW(reassembly.add(frames[2]), std::runtime_error);
    reassembly.add(frames[0]);  // the daemon dies here; the next one begins anew
    std::optional<std::string> got;
    for (const auto& frame : frames) got = reassembly.add(frame);
    EXPECT_EQ(got, text);
}

TEST(Channel, AFragmentedMessageHasALimit) {
    Reassembly reassembly(max_payload + 10);
    const auto frames = fragment(Type::configure, 0, std::string(max_payload + 11, 'j'));
    reassembly.add(frames[0]);
    EXPECT_THROW(reassembly.add(frames[1]), std::length_error);
}

}  // namespace
}  // namespace holon::channel
