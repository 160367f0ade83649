// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/inbound.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

constexpr int max_strangers = 128;

void serve_one(const Node& node, os::Fd socket, std::atomic<int>& strangers,
               const std::function<void(Connection)>& handle) {
    std::string from = "a connection";
    bool stranger = true;
    try {
        from = peer_of(socket.get()).text();
        Connection connection = Connection::accept(std::move(socket), node.trust, node.timeout);
        stranger = false;
        --strangers;
        handle(std::move(connection));
    } catch (const std::exception& error) {
        spdlog::warn("{}: {}", from, error.what());
    }
    if (stranger) --strangers;
}

}  // namespace

void serve_daemons(const Node& node, std::function<void(Connection)> handle) {
    std::thread([&node, listener = listen_tcp(node.listen), handle = std::move(handle)] {
        static std::atomic<int> strangers{0};
        for (;;) {
            os::Fd socket = accept_from(listener);
            if (strangers >= max_strangers) continue;
            ++strangers;
            std::thread([&node, &handle, socket = std::move(socket)]() mutable {
                serve_one(node, std::move(socket), strangers, handle);
            }).detach();
        }
    }).detach();
}

}  // namespace holon::ssi::daemon
