// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sockets as the daemon needs them: TCP with deadlines, abstract Unix sockets with descriptors.
// Sockets stay blocking, for programs get them; deadlines are kept with poll. All throw Error.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/os/fd.h"
#include "ssi/enter/local_socket.h"

namespace holon::ssi::daemon {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

inline constexpr std::uint16_t default_port = 7717;

struct Endpoint {
    sockaddr_storage address{};
    socklen_t size = 0;

    std::uint16_t port() const;
    void set_port(std::uint16_t port);
    std::string host() const;  // numeric, without the port
    std::string text() const;
    bool same_host(const Endpoint& other) const;
};

// "ADDR", "ADDR:PORT", "[ADDR6]:PORT"; names are looked up.
Endpoint resolve(std::string_view text);

os::Fd listen_tcp(const Endpoint& endpoint);
// With keepalive and a limit for unacknowledged data of TIMEOUT; no delay for small packets.
os::Fd connect_tcp(const Endpoint& to, Deadline deadline, std::chrono::seconds timeout);
void tune(int fd, std::chrono::seconds timeout);
Endpoint peer_of(int fd);

// The address FD is bound to.
Endpoint local_of(int fd);
// Until FD is ready for EVENTS of poll(2); false with errno when the time is over (ETIMEDOUT).
bool wait_for(int fd, short events, Deadline deadline);

// Exactly SIZE bytes; `what` names the other end in the error.
std::string read_exactly(int fd, std::size_t size, Deadline deadline);
void write_exactly(int fd, std::string_view bytes, Deadline deadline);

// Local sockets (ssi/enter/local_socket.h).
using enter::connect_local;
using enter::credentials_of;
using enter::Packet;
using enter::receive_packet;
using enter::send_packet;
os::Fd listen_local(const std::string& name);
// The next connection, however long it takes. When there is no descriptor left for it, it waits
// until there is.
os::Fd accept_from(const os::Fd& listener);
std::vector<gid_t> groups_of(int fd);

}  // namespace holon::ssi::daemon
