// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/session.h"

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

constexpr std::string_view magic = "holnssid";
constexpr std::uint32_t version = 1;
constexpr std::size_t nonce_size = 32;

std::string bytes_of(std::uint64_t value, std::size_t size) {
    return {reinterpret_cast<const char*>(&value), size};  // little-endian, as x86-64 has it
}

std::uint32_t word_at(std::string_view bytes, std::size_t offset) {
    std::uint32_t value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

Digest digest_at(std::string_view bytes, std::size_t offset) {
    Digest digest;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), digest.size(), digest.begin());
    return digest;
}

}  // namespace

Session Session::client(const Key& key, Purpose purpose) {
    Session session(key, false);
    session.purpose_ = purpose;
    session.hello_ = std::string(magic) + bytes_of(version, 4) +
                     bytes_of(static_cast<std::uint32_t>(purpose), 4);
    session.hello_ += view(random_digest());
    return session;
}

Session Session::server(const Key& key) { return Session(key, true); }

std::string Session::challenge(std::string_view hello) {
    if (hello.size() != hello_size || hello.substr(0, magic.size()) != magic)
        throw Error("the other end is not an ssid");
    if (word_at(hello, 8) != version)
        throw Error("the other end speaks version {} of the protocol, this one {}",
                    word_at(hello, 8), version);
    purpose_ = static_cast<Purpose>(word_at(hello, 12));
    if (purpose_ != Purpose::member && purpose_ != Purpose::work)
        throw Error("the other end has no known purpose");
    hello_ = hello;
    const Digest nonce = random_digest();
    challenge_ = view(nonce);
    challenge_ += view(key_.sign({"server", hello_, view(nonce)}));
    return challenge_;
}

std::string Session::proof(std::string_view challenge) {
    if (challenge.size() != challenge_size) throw Error("the other end is not an ssid");
    const Digest expected = key_.sign({"server", hello_, challenge.substr(0, nonce_size)});
    if (!equal(expected, digest_at(challenge, nonce_size)))
        throw Error("the other end has not the same key");
    challenge_ = challenge;
    derive();
    return std::string(view(key_.sign({"client", hello_, challenge_})));
}

void Session::accept(std::string_view proof) {
    if (hello_.empty() || proof.size() != proof_size ||
        !equal(key_.sign({"client", hello_, challenge_}), digest_at(proof, 0)))
        throw Error("the other end has not the same key");
    derive();
}

void Session::derive() {
    const Key to_server(std::string(view(key_.sign({"to server", hello_, challenge_}))));
    const Key to_client(std::string(view(key_.sign({"to client", hello_, challenge_}))));
    out_ = server_ ? to_client : to_server;
    in_ = server_ ? to_server : to_client;
}

std::string Session::seal(const Message& message) {
    if (!out_ || message.payload.size() > max_message_payload)
        throw Error("a message that cannot be sent");
    std::string bytes = bytes_of(message.payload.size(), 4) +
                        bytes_of(static_cast<std::uint32_t>(message.type), 4) + message.payload;
    bytes += view(out_->sign({bytes_of(sent_++, 8), bytes}));
    return bytes;
}

std::size_t Session::rest_of(std::string_view header) {
    if (header.size() != message_header_size || word_at(header, 0) > max_message_payload)
        throw Error("the other end sent a message of impossible size");
    return word_at(header, 0) + sizeof(Digest);
}

Message Session::open(std::string_view header, std::string_view rest) {
    if (!in_ || rest.size() != rest_of(header)) throw Error("a message out of place");
    const std::size_t size = rest.size() - sizeof(Digest);
    Message message{static_cast<MessageType>(word_at(header, 4)),
                    std::string(rest.substr(0, size))};
    const Digest expected =
        in_->sign({bytes_of(received_++, 8), std::string(header) + message.payload});
    if (!equal(expected, digest_at(rest, size)))
        throw Error("a message was changed on its way, or comes from elsewhere");
    return message;
}

}  // namespace holon::ssi::daemon
