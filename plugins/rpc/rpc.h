// SPDX-License-Identifier: GPL-2.0-or-later
// Client side of docs/rpc.md, blocking, for the shims, holon-run and the CLI. No threads, no
// globals.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "plugins/os/fd.h"

namespace holon::rpc {

inline constexpr std::size_t max_message = 16u << 20;
using Timeout = std::chrono::milliseconds;

class Client {
  public:
    // Connects to the local daemon. Throws Error "holond on this node does not answer
    // (/run/holon/holond.sock: …)".
    static Client local(Timeout timeout = Timeout{5000}, const std::string& socket = {});
    // Connects to HOST's daemon over TCP; every message is sealed with MUNGE.
    static Client remote(const std::string& host, std::uint16_t port,
                         Timeout timeout = Timeout{5000});

    // Sends one request and returns the first reply; an {"error":…} reply is thrown as Error.
    nlohmann::json call(const nlohmann::json& request, Timeout timeout = Timeout{5000});
    // The next message of a streaming reply. Throws on error, time-out or closed connection.
    nlohmann::json next(Timeout timeout = Timeout::max());
    // After a `session` reply: the raw socket, which now carries channel frames. Bytes already read
    // are in LEFTOVER.
    os::Fd take_socket(std::string& leftover);
    int fd() const { return socket_.get(); }

  private:
    os::Fd socket_;
    bool sealed_ = false;
    std::string host_;
    std::string buffer_;
};

// Message framing, shared with the daemon.
std::string frame(std::string_view json);
// Takes one whole message off the front of BUFFER; false where more bytes are needed; throws over
// max_message.
bool unframe(std::string& buffer, std::string& message);

// JSON from someone who is not trusted, as nlohmann::json::parse: discarded where it is none or is
// nested deeper than any honest message. (Copying and writing JSON recurse; a megabyte of brackets
// would end the daemon.)
nlohmann::json parse(std::string_view text);

// MUNGE sealing. open() returns the sender's uid; both throw Error with libmunge's words.
std::string seal(std::string_view text, uid_t only_for);
std::string seal(std::string_view text);
uid_t open(std::string_view sealed, std::string& text);

}  // namespace holon::rpc
