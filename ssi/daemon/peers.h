// SPDX-License-Identifier: GPL-2.0-or-later
//
// Connections from the first node to the others that wait, authenticated, to be given to a program:
// a thread's start then costs one round trip and no handshake.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "ssi/daemon/connection.h"
#include "ssi/daemon/members.h"

namespace holon::ssi::daemon {

// Thread-safe; lives as long as the daemon. A waiting connection that has broken unnoticed (the
// other daemon was restarted) costs nothing but the attempt: the request goes over a new one.
class Peers {
  public:
    Peers(const Members& members, const Trust& trust, std::chrono::seconds timeout);

    // The socket, after NODE has accepted the request. Throws Error.
    os::Fd request(std::uint32_t node, const Message& message);
    // NODE's answer to what is no program's. Throws Error.
    std::string ask(std::uint32_t node, const Message& message);
    void forget(std::uint32_t node);
    // Of silence, after which a node counts as lost.
    std::chrono::seconds timeout() const { return timeout_; }

  private:
    [[noreturn]] void refill();
    Connection accepted(std::uint32_t node, const Message& message, std::string* answer);
    std::optional<Connection> take(std::uint32_t node);
    Connection connect(std::uint32_t node);

    const Members& members_;
    const Trust trust_;
    const std::chrono::seconds timeout_;
    std::mutex mutex_;
    std::condition_variable wanted_;
    std::set<std::uint32_t> to_fill_;
    std::map<std::uint32_t, std::deque<Connection>> waiting_;
};

}  // namespace holon::ssi::daemon
