// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/session.h"

#include <gtest/gtest.h>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

const Key key(std::string(32, 'k'));
const Key other_key(std::string(32, 'o'));

struct Pair {
    Session client, server;
};

Pair connected(Purpose purpose = Purpose::work) {
    Pair pair{Session::client(key, purpose), Session::server(key)};
    pair.server.accept(pair.client.proof(pair.server.challenge(pair.client.hello())));
    return pair;
}

Message open(Session& session, const std::string& bytes) {
    const std::string header = bytes.substr(0, message_header_size);
    const std::size_t rest = Session::rest_of(header);
    EXPECT_EQ(bytes.size(), message_header_size + rest);
    return session.open(header, bytes.substr(message_header_size));
}

TEST(Session, EndsWithTheSameKeyUnderstandEachOther) {
    Pair pair = connected(Purpose::member);
    EXPECT_EQ(pair.server.purpose(), Purpose::member);
    const Message there = open(pair.server, pair.client.seal({MessageType::join, "hello"}));
    EXPECT_EQ(there.type, MessageType::join);
    EXPECT_EQ(there.payload, "hello");
    const Message back = open(pair.client, pair.server.seal({MessageType::ok, ""}));
    EXPECT_EQ(back.type, MessageType::ok);
}

TEST(Session, AServerWithAnotherKeyIsNoticedByTheClient) {
    Session client = Session::client(key, Purpose::work);
    Session server = Session::server(other_key);
    const std::string challenge = server.challenge(client.hello());
    EXPECT_THROW(client.proof(challenge), Error);
}

TEST(Session, AClientThatOnlyKnowsTheChallengeIsNotLetIn) {
    Session client = Session::client(key, Purpose::work);
    Session server = Session::server(key);
    const std::string challenge = server.challenge(client.hello());
    EXPECT_THROW(server.accept(challenge.substr(32)), Error);
    EXPECT_THROW(server.accept(std::string(proof_size, '\0')), Error);
    EXPECT_THROW(server.accept(""), Error);
}

TEST(Session, AProofIsGoodForOneChallengeOnly) {
    Session client = Session::client(key, Purpose::work);
    Session first = Session::server(key), second = Session::server(key);
    const std::string proof = client.proof(first.challenge(client.hello()));
    second.challenge(client.hello());
    EXPECT_THROW(second.accept(proof), Error);
}

TEST(Session, AChangedPurposeIsNoticed) {
    Session client = Session::client(key, Purpose::work);
    Session server = Session::server(key);
    std::string hello = client.hello();
    hello[12] = static_cast<char>(Purpose::member);
    EXPECT_THROW(client.proof(server.challenge(hello)), Error);
}

TEST(Session, AnotherProtocolIsRefused) {
    Session server = Session::server(key);
    EXPECT_THROW(server.challenge(std::string(hello_size, 'x')), Error);
    std::string newer = Session::client(key, Purpose::work).hello();
    newer[8] = 99;
    EXPECT_THROW(server.challenge(newer), Error);
    std::string aimless = Session::client(key, Purpose::work).hello();
    aimless[12] = 77;
    EXPECT_THROW(server.challenge(aimless), Error);
}

TEST(Session, AChangedMessageIsNoticed) {
    Pair pair = connected();
    const std::string sealed = pair.client.seal({MessageType::body, "payload"});
    for (std::size_t i = 4; i < sealed.size(); ++i) {
        Pair fresh = connected();
        std::string changed = fresh.client.seal({MessageType::body, "payload"});
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_THROW(open(fresh.server, changed), Error) << "byte " << i;
    }
}

TEST(Session, AMessageCannotBeReplayedOrSentBack) {
    Pair pair = connected();
    const std::string sealed = pair.client.seal({MessageType::body, "once"});
    open(pair.server, sealed);
    EXPECT_THROW(open(pair.server, sealed), Error);
    Pair mirror = connected();
    const std::string own = mirror.client.seal({MessageType::ok, ""});
    EXPECT_THROW(open(mirror.client, own), Error);
}

TEST(Session, AMessageOfAnotherConnectionIsRefused) {
    Pair one = connected(), two = connected();
    EXPECT_THROW(open(two.server, one.client.seal({MessageType::ok, ""})), Error);
}

TEST(Session, NothingIsOpenedBeforeTheHandshake) {
    Session server = Session::server(key);
    const std::string header(message_header_size, '\0');
    EXPECT_THROW(server.open(header, std::string(sizeof(Digest), '\0')), Error);
}

TEST(Session, AnImpossibleLengthIsRefusedBeforeAnythingIsRead) {
    EXPECT_THROW(Session::rest_of(std::string(message_header_size, '\xff')), Error);
    EXPECT_THROW(Session::rest_of("short"), Error);
}

}  // namespace
}  // namespace holon::ssi::daemon
