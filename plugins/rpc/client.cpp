// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "paths.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/rpc/rpc.h"

namespace holon::rpc {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_until(Clock::time_point deadline) {
    if (deadline == Clock::time_point::max()) return -1;
    auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(std::min<long long>(left, 1 << 30));
}

Clock::time_point deadline_after(Timeout timeout) {
    return timeout == Timeout::max() ? Clock::time_point::max() : Clock::now() + timeout;
}

// False when the deadline passed.
bool wait_for(int fd, short events, Clock::time_point deadline) {
    pollfd poll_entry{fd, events, 0};
    for (;;) {
        int n = ::poll(&poll_entry, 1, milliseconds_until(deadline));
        if (n > 0) return true;
        if (n == 0) return false;
        if (errno != EINTR) throw Error("poll: {}", errno_text());
    }
}

void connect_within(int fd, const sockaddr* address, socklen_t length, Clock::time_point deadline) {
    if (::connect(fd, address, length) == 0) return;
    // A full backlog of a UNIX socket is EAGAIN: the daemon is alive but busy.
    if (errno != EINPROGRESS && errno != EAGAIN) throw Error("{}", errno_text());
    if (!wait_for(fd, POLLOUT, deadline)) throw Error("{}", errno_text(ETIMEDOUT));
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) throw Error("{}", errno_text(failure));
}

}  // namespace

Client Client::local(Timeout timeout, const std::string& socket) {
    const std::string path = socket.empty() ? paths::socket : socket;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw Error("{}: path too long for a socket", path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    Client client;
    client.socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!client.socket_.valid()) throw Error("socket: {}", errno_text());
    try {
        connect_within(client.socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address,
                       deadline_after(timeout));
    } catch (const Error& error) {
        throw Error("holond on this node does not answer ({}: {})", path, error.what());
    }
    client.host_ = "this node";
    return client;
}

Client Client::remote(const std::string& host, std::uint16_t port, Timeout timeout) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
        error != 0)
        throw Error("{}: {}", host, ::gai_strerror(error));
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
    auto deadline = deadline_after(timeout);
    std::string reason = "no address";
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        Client client;
        client.socket_.reset(
            ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!client.socket_.valid()) continue;
        try {
            connect_within(client.socket_.get(), at->ai_addr, at->ai_addrlen, deadline);
            client.sealed_ = true;
            client.host_ = host;
            return client;
        } catch (const Error& error) {
            reason = error.what();
        }
    }
    throw Error("holond on {} does not answer (port {}: {})", host, port, reason);
}

nlohmann::json Client::call(const nlohmann::json& request, Timeout timeout) {
    auto deadline = deadline_after(timeout);
    std::string message;
    if (sealed_) {
        // The credential names its addressee, so that it cannot be replayed to another node.
        nlohmann::json addressed = request;
        addressed["to"] = host_;
        message = frame(seal(addressed.dump()));
    } else {
        message = frame(request.dump());
    }
    for (size_t sent = 0; sent < message.size();) {
        ssize_t n =
            ::send(socket_.get(), message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += static_cast<size_t>(n);
        } else if (errno == EAGAIN) {
            if (!wait_for(socket_.get(), POLLOUT, deadline))
                throw Error("holond on {} does not answer", host_);
        } else if (errno != EINTR) {
            throw Error("holond on {} does not answer ({})", host_, errno_text());
        }
    }
    auto left = timeout == Timeout::max()
                    ? timeout
                    : std::chrono::duration_cast<Timeout>(deadline - Clock::now());
    return next(left);
}

nlohmann::json Client::next(Timeout timeout) {
    auto deadline = deadline_after(timeout);
    std::string message;
    while (!unframe(buffer_, message)) {
        if (!wait_for(socket_.get(), POLLIN, deadline))
            throw Error("holond on {} gave no answer within {} s", host_, timeout.count() / 1000.0);
        char chunk[16384];
        ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, 0);
        if (n == 0) throw Error("holond on {} closed the connection", host_);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            throw Error("connection to holond on {}: {}", host_, errno_text());
        if (n > 0) buffer_.append(chunk, static_cast<size_t>(n));
    }
    if (sealed_) {
        std::string text;
        if (uid_t sender = open(message, text); sender != 0)
            throw Error("the answer from {} was sealed by uid {}, not by root; not believed", host_,
                        sender);
        message = std::move(text);
    }
    auto reply = nlohmann::json::parse(message, nullptr, false);
    if (!reply.is_object()) throw Error("holond on {} sent something that is not JSON", host_);
    if (reply.contains("error")) throw Error("{}", reply["error"].get<std::string>());
    return reply;
}

os::Fd Client::take_socket(std::string& leftover) {
    leftover = std::move(buffer_);
    return std::move(socket_);
}

}  // namespace holon::rpc
