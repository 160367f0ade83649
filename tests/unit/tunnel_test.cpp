// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/tunnel/tunnel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <random>

#include "plugins/os/error.h"

namespace holon::tunnel {
namespace {

struct Pair {
    os::Fd a, b;
    Pair() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        a.reset(ends[0]);
        b.reset(ends[1]);
    }
};

// A program at each end, and the connection between the nodes in the middle.
class Tunnel : public ::testing::Test {
  protected:
    void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }

    Pair left, middle, right;
    Control left_control, right_control;

    // What an end had to complain about.
    std::future<std::string> run(os::Fd& local, os::Fd& remote, Side side, Key key,
                                 Control& control) {
        return std::async(std::launch::async, [&, side, key]() -> std::string {
            try {
                carry(std::move(local), std::move(remote), side, key, control);
                return {};
            } catch (const Error& error) {
                return error.what();
            }
        });
    }
};

std::string noise(std::size_t size) {
    std::mt19937_64 random(7);
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

void write_all(int fd, const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t n = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (n <= 0) break;
        at += static_cast<std::size_t>(n);
    }
    ::shutdown(fd, SHUT_WR);
}

std::string read_all(int fd) {
    std::string bytes;
    char chunk[65536];
    for (ssize_t n; (n = ::read(fd, chunk, sizeof chunk)) > 0;)
        bytes.append(chunk, static_cast<std::size_t>(n));
    return bytes;
}

TEST_F(Tunnel, EveryByteArrivesBothWaysAndBothEndsEnd) {
    const Key key = random_key();
    auto one = run(left.b, middle.a, Side::client, key, left_control);
    auto two = run(right.a, middle.b, Side::server, key, right_control);
    const std::string there = noise(20'000'003), back = noise(3'000'001);
    auto writer = std::async(std::launch::async, [&] { write_all(left.a.get(), there); });
    auto other = std::async(std::launch::async, [&] { write_all(right.b.get(), back); });
    auto reader = std::async(std::launch::async, [&] { return read_all(left.a.get()); });
    EXPECT_EQ(read_all(right.b.get()), there);
    EXPECT_EQ(reader.get(), back);
    EXPECT_EQ(one.get(), "");
    EXPECT_EQ(two.get(), "");
    EXPECT_EQ(left_control.sent, there.size());
    EXPECT_EQ(left_control.received, back.size());
}

TEST_F(Tunnel, AnswersComeWhileTheOtherHalfIsOpen) {
    const Key key = random_key();
    auto one = run(left.b, middle.a, Side::client, key, left_control);
    auto two = run(right.a, middle.b, Side::server, key, right_control);
    for (int i = 0; i < 100; ++i) {
        char got = 0;
        ASSERT_EQ(::write(left.a.get(), "?", 1), 1);
        ASSERT_EQ(::read(right.b.get(), &got, 1), 1);
        ASSERT_EQ(::write(right.b.get(), "!", 1), 1);
        ASSERT_EQ(::read(left.a.get(), &got, 1), 1);
        ASSERT_EQ(got, '!');
    }
    left.a.reset();
    right.b.reset();
    EXPECT_EQ(one.get(), "");
    EXPECT_EQ(two.get(), "");
}

TEST_F(Tunnel, WhoHasAnotherKeyReadsNothing) {
    auto one = run(left.b, middle.a, Side::client, random_key(), left_control);
    auto two = run(right.a, middle.b, Side::server, random_key(), right_control);
    write_all(left.a.get(), "secret");
    EXPECT_EQ(read_all(right.b.get()), "");
    EXPECT_NE(one.get(), "");
    EXPECT_NE(two.get(), "");
}

TEST_F(Tunnel, WhatIsOnTheWayCannotBeRead) {
    const Key key = random_key();
    Pair outside;  // of the one who listens
    auto one = run(left.b, middle.a, Side::client, key, left_control);
    auto two = run(right.a, outside.b, Side::server, key, right_control);
    std::string heard;
    auto listener = std::async(std::launch::async, [&] {
        char chunk[4096];
        for (ssize_t n; (n = ::read(middle.b.get(), chunk, sizeof chunk)) > 0;) {
            heard.append(chunk, static_cast<std::size_t>(n));
            if (::send(outside.a.get(), chunk, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n)
                break;
        }
        ::shutdown(outside.a.get(), SHUT_WR);
    });
    auto answers = std::async(std::launch::async, [&] {
        char chunk[4096];
        for (ssize_t n; (n = ::read(outside.a.get(), chunk, sizeof chunk)) > 0;)
            if (::send(middle.b.get(), chunk, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n)
                break;
        ::shutdown(middle.b.get(), SHUT_WR);
    });
    const std::string text = "the quick brown fox jumps over the lazy dog";
    write_all(left.a.get(), text);
    EXPECT_EQ(read_all(right.b.get()), text);
    right.b.reset();
    EXPECT_EQ(one.get(), "");
    EXPECT_EQ(two.get(), "");
    listener.get();
    answers.get();
    EXPECT_EQ(heard.find("brown fox"), std::string::npos);
}

TEST_F(Tunnel, AConnectionThatIsCutIsNoEnd) {
    const Key key = random_key();
    Pair outside;
    auto one = run(left.b, middle.a, Side::client, key, left_control);
    auto two = run(right.a, outside.b, Side::server, key, right_control);
    // Passes on until a byte of the program's was through, then cuts.
    std::atomic<bool> cut{false};
    const auto pass = [&](int from, int to) {
        char chunk[4096];
        for (ssize_t n; !cut && (n = ::read(from, chunk, sizeof chunk)) > 0;)
            if (::send(to, chunk, static_cast<std::size_t>(n), MSG_NOSIGNAL) != n) break;
    };
    auto there = std::async(std::launch::async, pass, middle.b.get(), outside.a.get());
    auto back = std::async(std::launch::async, pass, outside.a.get(), middle.b.get());
    char got = 0;
    ASSERT_EQ(::write(left.a.get(), "x", 1), 1);
    ASSERT_EQ(::read(right.b.get(), &got, 1), 1);
    cut = true;
    ::shutdown(outside.a.get(), SHUT_RDWR);
    ::shutdown(middle.b.get(), SHUT_RDWR);
    EXPECT_NE(two.get(), "");
    EXPECT_NE(one.get(), "");
    there.get();
    back.get();
}

TEST_F(Tunnel, ItStopsWhenItIsToldTo) {
    const Key key = random_key();
    auto one = run(left.b, middle.a, Side::client, key, left_control);
    left_control.stop = true;
    EXPECT_NE(one.get(), "");
    EXPECT_EQ(read_all(left.a.get()), "");
}

TEST(TunnelKey, IsTheSameAfterItsText) {
    const Key key = random_key();
    EXPECT_EQ(key_from_text(to_text(key)), key);
    EXPECT_NE(random_key(), key);
    EXPECT_THROW(key_from_text("00"), Error);
    EXPECT_THROW(key_from_text(std::string(64, 'g')), Error);
}

}  // namespace
}  // namespace holon::tunnel
