// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

void set(int fd, int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

bool wait_for(int fd, short events, Deadline deadline) {
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd entry{fd, events, 0};
        const int ready =
            ::poll(&entry, 1, static_cast<int>(std::clamp<long>(left, 0, 1'000'000'000)));
        if (ready > 0) return true;
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) errno = ETIMEDOUT;
        return false;
    }
}

std::uint16_t Endpoint::port() const {
    return ntohs(address.ss_family == AF_INET6
                     ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                     : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void Endpoint::set_port(std::uint16_t port) {
    if (address.ss_family == AF_INET6)
        reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
    else
        reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
}

std::string Endpoint::host() const {
    char name[NI_MAXHOST] = "?";
    ::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, name, sizeof name, nullptr, 0,
                  NI_NUMERICHOST);
    return name;
}

std::string Endpoint::text() const {
    return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host(), port())
                                         : fmt::format("{}:{}", host(), port());
}

bool Endpoint::same_host(const Endpoint& other) const { return host() == other.host(); }

Endpoint resolve(std::string_view text) {
    std::string host(text), port = std::to_string(default_port);
    if (!text.empty() && text.front() == '[') {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) throw Error("{}: no closing bracket", text);
        host = text.substr(1, close - 1);
        if (close + 1 < text.size()) {
            if (text[close + 1] != ':') throw Error("{}: not [ADDRESS]:PORT", text);
            port = text.substr(close + 2);
        }
    } else if (std::count(text.begin(), text.end(), ':') == 1) {
        host = text.substr(0, text.find(':'));
        port = text.substr(text.find(':') + 1);
    }
    unsigned number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535)
        throw Error("{}: '{}' is not a port", text, port);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
    if (failed != 0) throw Error("{}: {}", text, ::gai_strerror(failed));
    Endpoint endpoint;
    endpoint.size = found->ai_addrlen;
    std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
    ::freeaddrinfo(found);
    return endpoint;
}

void tune(int fd, std::chrono::seconds timeout) {
    const int seconds = static_cast<int>(timeout.count());
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, seconds / 3));
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / 6));
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, seconds * 1000);
}

os::Fd listen_tcp(const Endpoint& endpoint) {
    os::Fd fd(::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.valid()) set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (!fd.valid() ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.size) !=
            0 ||
        ::listen(fd.get(), 256) != 0)
        throw Error("cannot listen on {}: {}", endpoint.text(), errno_text());
    return fd;
}

os::Fd connect_tcp(const Endpoint& to, Deadline deadline, std::chrono::seconds timeout) {
    os::Fd fd(::socket(to.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) throw Error("{}: {}", to.text(), errno_text());
    tune(fd.get(), timeout);
    int error = 0;
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to.address), to.size) != 0) {
        error = errno;
        if (error == EINPROGRESS) {
            socklen_t size = sizeof error;
            if (!wait_for(fd.get(), POLLOUT, deadline) ||
                ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0)
                error = errno;
        }
    }
    if (error != 0) throw Error("{}: {}", to.text(), errno_text(error));
    ::fcntl(fd.get(), F_SETFL, 0);
    return fd;
}

Endpoint peer_of(int fd) {
    Endpoint endpoint;
    endpoint.size = sizeof endpoint.address;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&endpoint.address), &endpoint.size) != 0)
        throw Error("the other end is gone: {}", errno_text());
    return endpoint;
}

Endpoint local_of(int fd) {
    Endpoint endpoint;
    endpoint.size = sizeof endpoint.address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&endpoint.address), &endpoint.size) != 0)
        throw Error("a socket has no address: {}", errno_text());
    return endpoint;
}

std::string read_exactly(int fd, std::size_t size, Deadline deadline) {
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        if (!wait_for(fd, POLLIN, deadline)) throw Error("no answer: {}", errno_text());
        const ssize_t count = ::recv(fd, bytes.data() + have, size - have, MSG_DONTWAIT);
        if (count == 0) throw Error("the other end closed the connection");
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            throw Error("the connection broke: {}", errno_text());
        if (count > 0) have += static_cast<std::size_t>(count);
    }
    return bytes;
}

void write_exactly(int fd, std::string_view bytes, Deadline deadline) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            throw Error("the connection broke: {}", errno_text());
        if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
        if (count < 0 && !wait_for(fd, POLLOUT, deadline))
            throw Error("the other end does not read: {}", errno_text());
    }
}

os::Fd listen_local(const std::string& name) {
    const auto [address, size] = enter::local_address(name);
    os::Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!fd.valid() || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::listen(fd.get(), 1024) != 0)
        throw Error("cannot listen on @{}: {}{}", name, errno_text(),
                    errno == EADDRINUSE ? "; another ssid of this partition runs here" : "");
    return fd;
}

os::Fd accept_from(const os::Fd& listener) {
    constexpr int pause_ms = 50;  // nothing tells when a descriptor is free again
    for (;;) {
        os::Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket.valid()) return socket;
        if (errno != EINTR && errno != ECONNABORTED) ::poll(nullptr, 0, pause_ms);
    }
}

std::vector<gid_t> groups_of(int fd) {
    std::vector<gid_t> groups(64);
    for (;;) {
        auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        const bool good = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
        if (!good && errno != ERANGE)
            throw Error("the kernel does not say who connects: {}", errno_text());
        groups.resize(size / sizeof(gid_t));
        if (good) return groups;
    }
}

}  // namespace holon::ssi::daemon
