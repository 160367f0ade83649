// SPDX-License-Identifier: GPL-2.0-or-later
//
// What two daemons say to each other before a connection becomes a program's: the handshake and the
// authenticated messages after it. Pure: bytes in, bytes out.
//
//     client → server  hello:      magic, version, purpose, nonce C
//     server → client  challenge:  nonce S, HMAC(key, "server", hello, S)
//     client → server  proof:      HMAC(key, "client", hello, S, server's HMAC)
//     both             messages:   length, type, payload, HMAC(key of this direction, number, all
//     before)
//
// The keys of the two directions come from the shared key and both nonces; messages are numbered,
// so none can be replayed, left out or sent back. Purpose is part of what is signed. Encryption is
// the connection's (tls.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ssi/daemon/key.h"

namespace holon::ssi::daemon {

enum class Purpose : std::uint32_t {
    member = 1,  // stays: membership and heartbeats
    work = 2,    // carries one request, and then belongs to the program it was for
};

inline constexpr std::size_t hello_size = 48;
inline constexpr std::size_t challenge_size = 64;
inline constexpr std::size_t proof_size = 32;

enum class MessageType : std::uint32_t {
    join = 1,     // member → home
    joined = 2,   // home → member
    ping = 3,     // home → member, with the table of members
    pong = 4,     // member → home, with its report (ssi/view)
    body = 5,     // home → member: start a body process
    channel = 6,  // home → member: this connection goes to a body process
    ok = 7,       // `ended`: with the CPU time
    refused = 8,  // one line why
    ended = 9,    // home → member: what has the body process used? Answered when it has ended
};

struct Message {
    MessageType type{};
    std::string payload;
};

inline constexpr std::size_t message_header_size = 8;
inline constexpr std::size_t max_message_payload = 64 * 1024;

// One end of one connection. Every member function throws Error when the other end does not keep to
// the protocol; the connection is then to be closed.
class Session {
  public:
    static Session client(const Key& key, Purpose purpose);
    static Session server(const Key& key);

    // Client: hello(), then proof(challenge). Server: challenge(hello), then accept(proof).
    const std::string& hello() const { return hello_; }
    std::string proof(std::string_view challenge);
    std::string challenge(std::string_view hello);
    void accept(std::string_view proof);

    Purpose purpose() const { return purpose_; }

    std::string seal(const Message& message);
    // The bytes that follow a header: payload and HMAC.
    static std::size_t rest_of(std::string_view header);
    Message open(std::string_view header, std::string_view rest);

  private:
    Session(const Key& key, bool server) : key_(key), server_(server) {}
    void derive();

    Key key_;
    bool server_;
    Purpose purpose_{};
    std::string hello_, challenge_;
    std::optional<Key> out_, in_;
    std::uint64_t sent_ = 0, received_ = 0;
};

}  // namespace holon::ssi::daemon
