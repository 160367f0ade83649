// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/peers.h"

#include <spdlog/spdlog.h>

#include <thread>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

constexpr std::size_t waiting_per_node = 4;

}  // namespace

Peers::Peers(const Members& members, const Trust& trust, std::chrono::seconds timeout)
    : members_(members), trust_(trust), timeout_(timeout) {
    std::thread([this] { refill(); }).detach();
}

Connection Peers::connect(std::uint32_t node) {
    const auto endpoint = members_.endpoint(node);
    if (!endpoint) throw Error("node {} is not up", node);
    return Connection::connect(*endpoint, trust_, Purpose::work, timeout_);
}

std::optional<Connection> Peers::take(std::uint32_t node) {
    const std::lock_guard lock(mutex_);
    auto& waiting = waiting_[node];
    to_fill_.insert(node);
    wanted_.notify_one();
    if (waiting.empty()) return std::nullopt;
    std::optional<Connection> taken(std::move(waiting.front()));
    waiting.pop_front();
    return taken;
}

os::Fd Peers::request(std::uint32_t node, const Message& message) {
    return accepted(node, message, nullptr).release();
}

std::string Peers::ask(std::uint32_t node, const Message& message) {
    std::string answer;
    accepted(node, message, &answer);
    return answer;
}

Connection Peers::accepted(std::uint32_t node, const Message& message, std::string* payload) {
    while (std::optional<Connection> connection = take(node)) {
        Message answer;
        try {
            connection->send(message);
            answer = connection->receive();
        } catch (const Error&) {
            continue;  // broken while it waited
        }
        if (answer.type == MessageType::refused) throw Error("{}", printable(answer.payload));
        if (payload) *payload = std::move(answer.payload);
        return std::move(*connection);
    }
    Connection connection = connect(node);
    Message answer = connection.ask(message);
    if (payload) *payload = std::move(answer.payload);
    return connection;
}

void Peers::forget(std::uint32_t node) {
    const std::lock_guard lock(mutex_);
    waiting_.erase(node);
    to_fill_.erase(node);
}

void Peers::refill() {
    for (;;) {
        std::uint32_t node = 0;
        {
            std::unique_lock lock(mutex_);
            wanted_.wait(lock, [this] { return !to_fill_.empty(); });
            node = *to_fill_.begin();
            if (waiting_[node].size() >= waiting_per_node) {
                to_fill_.erase(node);
                continue;
            }
        }
        try {
            Connection connection = connect(node);
            const std::lock_guard lock(mutex_);
            waiting_[node].push_back(std::move(connection));
        } catch (const Error& error) {
            spdlog::debug("node {}: {}", node, error.what());
            const std::lock_guard lock(mutex_);
            to_fill_.erase(node);  // the next request asks again
        }
    }
}

}  // namespace holon::ssi::daemon
