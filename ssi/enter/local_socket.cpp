// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/enter/local_socket.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace holon::ssi::enter {

std::pair<sockaddr_un, socklen_t> local_address(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name.size() + 1 > sizeof address.sun_path)
        throw std::length_error(name + ": the name is too long");
    std::copy(name.begin(), name.end(), address.sun_path + 1);
    return {address, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size())};
}

os::Fd connect_local(const std::string& name) {
    const auto [address, size] = local_address(name);
    os::Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd.valid() || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
        return {};
    return fd;
}

ucred credentials_of(int fd) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0)
        throw std::system_error(errno, std::generic_category(),
                                "the kernel does not say who connects");
    return who;
}

bool send_packet(int fd, std::string_view bytes, int descriptor) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = room;
        message.msg_controllen = sizeof room;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    ssize_t count = 0;
    do count = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return count == static_cast<ssize_t>(bytes.size());
}

std::optional<Packet> receive_packet(int fd, std::size_t limit) {
    Packet packet;
    packet.bytes.resize(limit);
    iovec part{packet.bytes.data(), limit};
    alignas(cmsghdr) char room[CMSG_SPACE(4 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    ssize_t count = 0;
    do count = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count < 0) return std::nullopt;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t descriptors = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < descriptors; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
            os::Fd owned(descriptor);
            if (!packet.fd.valid()) packet.fd = std::move(owned);
        }
    }
    if (count == 0 || (message.msg_flags & MSG_TRUNC) != 0) return std::nullopt;
    packet.bytes.resize(static_cast<std::size_t>(count));
    return packet;
}

}  // namespace holon::ssi::enter
