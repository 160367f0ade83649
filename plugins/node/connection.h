// SPDX-License-Identifier: GPL-2.0-or-later
// One client of the daemon: messages of docs/rpc.md over the local socket (the kernel says who it
// is) or over TCP (each message is a MUNGE credential). One coroutine may send while another
// receives; no more.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "plugins/node/event.h"
#include "plugins/os/fd.h"

namespace holon::node {

class Connection {
  public:
    // Takes a connected, non-blocking socket. UID is that of SO_PEERCRED for local sockets.
    Connection(asio::io_context& io, asio::thread_pool& pool, os::Fd socket, bool sealed,
               uid_t uid);

    // The next message; throws Error at the end of the connection, when the deadline passes, or for
    // anything malformed. A sealed connection sets uid() from its first message; a later one by
    // somebody else is refused.
    Task<nlohmann::json> receive(Clock::time_point deadline = Clock::time_point::max());
    Task<void> send(const nlohmann::json& message);
    // A request to another node's daemon carries its addressee.
    void address_to(std::string host) { to_ = std::move(host); }

    uid_t uid() const { return uid_; }
    bool local() const { return !sealed_; }
    void close();
    // Completes when the other end has closed (or sends something where nothing is expected).
    Task<void> closed();

    asio::posix::stream_descriptor& socket() { return socket_; }
    std::string take_leftover() { return std::exchange(buffer_, {}); }

  private:
    asio::io_context& io_;
    asio::thread_pool& pool_;
    asio::posix::stream_descriptor socket_;
    bool sealed_;
    bool known_ = false;
    uid_t uid_;
    std::string to_;
    std::string buffer_;
};

}  // namespace holon::node
