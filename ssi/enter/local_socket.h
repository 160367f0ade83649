// SPDX-License-Identifier: GPL-2.0-or-later
//
// Abstract SOCK_SEQPACKET sockets with descriptors, as everything on one node speaks to its ssid.
// NAME is without the leading zero byte.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "plugins/os/fd.h"

namespace holon::ssi::enter {

// Throws std::length_error for a name that no address has room for.
std::pair<sockaddr_un, socklen_t> local_address(const std::string& name);
// Empty, with errno, where nobody listens.
os::Fd connect_local(const std::string& name);
// Who was at the other end of FD when it was connected. Throws std::system_error.
ucred credentials_of(int fd);

struct Packet {
    std::string bytes;
    os::Fd fd;  // the first descriptor that came along; more are closed
};
// False when the other end is gone.
bool send_packet(int fd, std::string_view bytes, int descriptor = -1);
// nullopt at the end, or for a packet above `limit`.
std::optional<Packet> receive_packet(int fd, std::size_t limit);

}  // namespace holon::ssi::enter
