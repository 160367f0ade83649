// SPDX-License-Identifier: GPL-2.0-or-later
//
// A TCP connection between two daemons that has passed the handshake.
#pragma once

#include <chrono>

#include "plugins/os/fd.h"
#include "ssi/daemon/session.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::daemon {

// Requests are answered at once; only what the other end's scheduling and the network cost is
// waited for.
inline constexpr std::chrono::seconds answer_time{20};

// What a daemon shares with the others of its partition.
struct Trust {
    Key key;
    bool plain = false;  // connections are authenticated, and not encrypted
};

// Whole messages in, whole messages out, never a byte more than asked for: what follows the last
// message belongs to the program that gets the socket.
class Connection {
  public:
    // TIMEOUT is the one that stays on the socket (socket.h, tune).
    static Connection connect(const Endpoint& to, const Trust& trust, Purpose purpose,
                              std::chrono::seconds timeout);
    static Connection accept(os::Fd socket, const Trust& trust, std::chrono::seconds timeout);

    Purpose purpose() const { return session_.purpose(); }
    int fd() const { return socket_.get(); }
    void send(const Message& message, std::chrono::seconds within = answer_time);
    Message receive(std::chrono::seconds within = answer_time);
    // Sends and receives; throws Error with the other end's reason when it refuses.
    Message ask(const Message& message);
    os::Fd release() { return std::move(socket_); }

  private:
    Connection(os::Fd socket, Session session)
        : socket_(std::move(socket)), session_(std::move(session)) {}
    os::Fd socket_;
    Session session_;
};

}  // namespace holon::ssi::daemon
