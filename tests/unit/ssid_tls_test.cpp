// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/tls.h"

#include <gtest/gtest.h>

#include <future>
#include <string>

#include "plugins/os/error.h"

namespace holon::ssi::daemon::tls {
namespace {

using std::chrono::seconds;

Deadline in(std::chrono::milliseconds time) { return Clock::now() + time; }

/// Two ends of a TCP connection on this machine.
class Tls : public testing::Test {
  protected:
    void SetUp() override {
        Endpoint anywhere = resolve("127.0.0.1");
        anywhere.set_port(0);
        const os::Fd listener = listen_tcp(anywhere);
        client = connect_tcp(local_of(listener.get()), in(seconds(5)), seconds(60));
        server = accept_from(listener);
    }
    /// What the end says when it fails; empty when it does not.
    static std::string outcome(int fd, Side side, const Key& with,
                               std::chrono::milliseconds time = seconds(20)) {
        try {
            encrypt(fd, side, with, in(time));
            return {};
        } catch (const Error& error) {
            ::shutdown(fd, SHUT_RDWR);
            return error.what();
        }
    }
    std::future<std::string> serve(const Key& with) {
        return std::async(std::launch::async,
                          [this, with] { return outcome(server.get(), Side::server, with); });
    }

    os::Fd client, server;
    const Key key{std::string(32, 'k')}, other{std::string(32, 'o')};
};

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST_F(Tls, ends_with_different_keys_refuse_each_other) {
    auto served = serve(other);
    const std::string said = outcome(client.get(), Side::client, key);
    EXPECT_TRUE(has(said, "has not got this partition's key")) << said;
    const std::string answered = served.get();
    EXPECT_TRUE(has(answered, "has not got this partition's key")) << answered;
}

TEST_F(Tls, an_end_that_speaks_no_tls_is_told_apart) {
    auto served = serve(key);
    write_exactly(client.get(), "holnssid and what an ssid says next without TLS", in(seconds(5)));
    const std::string answered = served.get();
    EXPECT_TRUE(has(answered, "does not speak TLS")) << answered;
}

TEST_F(Tls, an_end_that_says_nothing_is_not_waited_for_beyond_the_deadline) {
    const auto begin = Clock::now();
    const std::string said =
        outcome(server.get(), Side::server, key, std::chrono::milliseconds(200));
    EXPECT_TRUE(has(said, "no answer")) << said;
    EXPECT_LT(Clock::now() - begin, seconds(10));
}

TEST_F(Tls, what_is_written_arrives_both_ways) {
    try {
        check_kernel();
    } catch (const Error& error) {
        GTEST_SKIP() << error.what();
    }
    auto served = serve(key);
    ASSERT_EQ(outcome(client.get(), Side::client, key), "");
    ASSERT_EQ(served.get(), "");
    for (const auto& [from, to] :
         {std::pair(client.get(), server.get()), std::pair(server.get(), client.get())})
        for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}}) {
            const std::string words(size, 'w');
            auto sent = std::async(std::launch::async,
                                   [&, fd = from] { write_exactly(fd, words, in(seconds(20))); });
            EXPECT_EQ(read_exactly(to, size, in(seconds(20))), words);
            sent.get();
        }
}

}  // namespace
}  // namespace holon::ssi::daemon::tls
