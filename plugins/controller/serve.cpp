// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/controller/serve.h"

#include <netdb.h>
#include <pwd.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "plugins/controller/registry.h"
#include "plugins/controller/slurm_nodes.h"
#include "plugins/network/network.h"
#include "plugins/node/connection.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "select/site/snapshot.h"

namespace holon::controller {
namespace {

using nlohmann::json;
using node::Clock;
using node::Connection;
using node::Task;
namespace asio = node::asio;

constexpr int most_clients = 2048;
constexpr std::chrono::seconds least_between_writes{1};
constexpr std::chrono::seconds nodes_kept{60};    // how long Slurm's list of nodes is believed
constexpr std::chrono::seconds between_lists{5};  // also where unknown nodes ask
constexpr std::chrono::seconds between_comments{30};

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

struct Controller {
    Controller(asio::io_context& context, config::Config loaded)
        : io(context),
          config(std::move(loaded)),
          registry(config.controller.heartbeat_s, now_s()),
          changed(context) {}

    asio::io_context& io;
    asio::thread_pool pool{4};
    config::Config config;
    Registry registry;
    SlurmNodes nodes;
    Clock::time_point listed{};  // when NODES was asked for; never: the epoch
    bool listing = false;
    bool dirty = true;
    int clients = 0;
    std::string complaint;
    node::Event changed;

    std::filesystem::path file() const { return config.controller.state_dir / site::snapshot_name; }

    void complain(const std::string& line) {
        if (line != complaint) spdlog::warn("{}", line);
        complaint = line;
    }
};

// Slurm's nodes, not older than MOST.
Task<void> list_nodes(Controller& controller, std::chrono::seconds most) {
    while (controller.listing) co_await controller.changed.wait();
    if (controller.listed != Clock::time_point{} && Clock::now() - controller.listed < most)
        co_return;
    controller.listing = true;
    SlurmNodes nodes;
    site::SlurmReport slurm;
    std::string trouble;
    co_await node::blocking(controller.pool, [&] {
        try {
            nodes = slurm_nodes();
            slurm = slurm_report();
        } catch (const std::exception& error) {
            trouble = error.what();
        }
    });
    controller.listing = false;
    controller.listed = Clock::now();
    if (!trouble.empty()) {
        controller.complain("Slurm's nodes: " + trouble);
    } else {
        controller.nodes = std::move(nodes);
        controller.dirty = controller.registry.report(std::move(slurm)) || controller.dirty;
        for (const auto& [name, comment] : controller.registry.comments())
            if (!controller.nodes.empty() && !controller.nodes.contains(name)) {
                controller.registry.forget(name);
                controller.dirty = true;
            }
    }
    controller.changed.notify_all();
}

std::string peer_address(Connection& client) {
    boost::system::error_code ignored;
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    char text[NI_MAXHOST] = {};
    if (::getpeername(client.socket().native_handle(), reinterpret_cast<sockaddr*>(&peer),
                      &length) != 0 ||
        ::getnameinfo(reinterpret_cast<sockaddr*>(&peer), length, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) != 0)
        return "";
    return text;
}

// Root of a node of this cluster: MUNGE says root, and the connection comes from the node's
// address.
Task<void> require_node(Controller& controller, Connection& client, const std::string& name) {
    if (client.uid() != 0) throw Error("'capabilities' is for root on a node");
    co_await list_nodes(controller, nodes_kept);
    if (!controller.nodes.contains(name)) co_await list_nodes(controller, between_lists);
    const auto found = controller.nodes.find(name);
    if (found == controller.nodes.end()) throw Error("{}: Slurm knows no such node", name);
    const std::string address = found->second.address.empty() ? name : found->second.address;
    std::string resolved;
    co_await node::blocking(controller.pool, [&] { resolved = network::resolve(address); });
    const std::string peer = peer_address(client);
    if (peer != resolved)
        throw Error("{}: its address is {}, but this came from {}", name, resolved, peer);
}

// A checkpoint is reported by root on any node of the cluster (the job's head).
Task<void> require_any_node(Controller& controller, Connection& client) {
    if (client.uid() != 0) throw Error("'checkpointed' is for root on a node");
    co_await list_nodes(controller, nodes_kept);
    const std::string peer = peer_address(client);
    bool found = false;
    co_await node::blocking(controller.pool, [&] {
        for (const auto& [name, known] : controller.nodes) {
            const std::string address = known.address.empty() ? name : known.address;
            try {
                if (address != peer && network::resolve(address) != peer) continue;
            } catch (const Error&) {
                continue;
            }
            found = true;
            return;
        }
    });
    if (!found) throw Error("{} is no node of this cluster", peer);
}

// A credential for another host is a replay, or a mistake. This host is meant by any name that
// leads to the address the connection came in on.
Task<void> check_addressee(Controller& controller, Connection& client, const json& request) {
    const std::string to = request.value("to", std::string());
    sockaddr_storage ours{};
    socklen_t length = sizeof ours;
    char text[NI_MAXHOST] = {};
    ::getsockname(client.socket().native_handle(), reinterpret_cast<sockaddr*>(&ours), &length);
    ::getnameinfo(reinterpret_cast<sockaddr*>(&ours), length, text, sizeof text, nullptr, 0,
                  NI_NUMERICHOST);
    if (to == text) co_return;
    std::string resolved;
    co_await node::blocking(controller.pool, [&] { resolved = network::resolve(to); });
    if (resolved != text && !resolved.starts_with("127."))
        throw Error("a request for {} reached {}", to, text);
}

Task<void> answer(Controller& controller, Connection& client) {
    const json request = co_await client.receive(Clock::now() + std::chrono::seconds(10));
    co_await check_addressee(controller, client, request);
    const std::string op = request.value("op", std::string());
    json reply = {{"ok", true}};
    if (op == "ping") {
        reply["version"] = HOLON_VERSION;
        reply["nodes"] = controller.registry.comments().size();
    } else if (op == "capabilities") {
        auto report = site::node_report(request.at("node"));
        co_await require_node(controller, client, report.name);
        const std::string name = report.name;
        const bool healthy = report.healthy;
        const std::string reason = report.reason;
        if (controller.registry.report(std::move(report), now_s())) {
            if (!healthy) spdlog::warn("{}: no VM jobs: {}", name, reason);
            controller.dirty = true;
            controller.changed.notify_all();
        }
    } else if (op == "checkpointed") {
        auto report = site::checkpoint_report(request.at("checkpoint"));
        co_await require_any_node(controller, client);
        if (controller.registry.report(std::move(report))) {
            controller.dirty = true;
            controller.changed.notify_all();
        }
    } else {
        throw Error("'{}' is not a request that holond --controller {} knows", op, HOLON_VERSION);
    }
    co_await client.send(reply);
}

Task<void> handle(Controller& controller, std::shared_ptr<Connection> client) {
    std::string fault;
    try {
        co_await answer(controller, *client);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        try {
            const json reply = {{"error", fault}};
            co_await client->send(reply);
        } catch (const std::exception&) {
            // It has gone; there is nobody to tell.
        }
    }
    client->close();
    --controller.clients;
}

Task<void> accept_all(Controller& controller, asio::ip::tcp::acceptor& acceptor) {
    for (;;) {
        boost::system::error_code error;
        auto socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) co_return;
        if (error) {
            asio::steady_timer pause(controller.io, std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::use_awaitable);
            continue;
        }
        if (controller.clients >= most_clients) continue;  // closed; the node tries again
        socket.non_blocking(true);
        ++controller.clients;
        asio::co_spawn(
            controller.io,
            handle(controller, std::make_shared<Connection>(controller.io, controller.pool,
                                                            os::Fd(socket.release()), true,
                                                            static_cast<uid_t>(-1))),
            asio::detached);
    }
}

// Writes the snapshot when it changed, and at each heartbeat: its age says that somebody is here.
Task<void> write_snapshots(Controller& controller) {
    const auto heartbeat = std::chrono::seconds(controller.config.controller.heartbeat_s);
    for (Clock::time_point due{};;) {
        controller.dirty = controller.registry.tick(now_s()) || controller.dirty;
        if (controller.dirty || Clock::now() >= due) {
            controller.dirty = false;
            const site::Snapshot snapshot = controller.registry.snapshot(now_s());
            std::string trouble;
            co_await node::blocking(controller.pool, [&] {
                try {
                    os::write_file_atomically(controller.file(), site::to_json(snapshot), 0644);
                } catch (const std::exception& error) {
                    trouble = error.what();
                }
            });
            if (!trouble.empty()) controller.complain(trouble);
            due = Clock::now() + heartbeat;
        }
        asio::steady_timer pause(controller.io, least_between_writes);
        co_await pause.async_wait(asio::use_awaitable);
        if (!controller.dirty) co_await controller.changed.wait(due);
    }
}

// Keeps Slurm's comments true. Only comments that are empty or Holon's are touched.
Task<void> write_comments(Controller& controller) {
    std::map<std::string, std::string> before;
    for (;;) {
        const auto wanted = controller.registry.comments();
        co_await list_nodes(controller, wanted != before ? between_lists : nodes_kept);
        before = wanted;
        const auto set = comments_to_set(controller.nodes, wanted);
        for (const auto& entry : set) {
            std::string trouble;
            co_await node::blocking(controller.pool, [&] {
                try {
                    set_comment(entry.first, entry.second);
                } catch (const std::exception& error) {
                    trouble = error.what();
                }
            });
            if (trouble.empty())
                controller.nodes[entry.first].comment = entry.second;
            else
                controller.complain(fmt::format("comment of {}: {}", entry.first, trouble));
        }
        asio::steady_timer pause(controller.io, least_between_writes);
        co_await pause.async_wait(asio::use_awaitable);
        if (controller.registry.comments() == wanted)
            co_await controller.changed.wait(Clock::now() + between_comments);
    }
}

void restore(Controller& controller) {
    try {
        if (const auto text = os::read_file_if_exists(controller.file()))
            controller.registry.restore(site::parse_snapshot(*text), now_s());
    } catch (const std::exception& error) {
        spdlog::error("{}: {}; begun anew", controller.file().string(), error.what());
    }
}

}  // namespace

int serve(const node::Options& options) {
    ::signal(SIGPIPE, SIG_IGN);
    asio::io_context io(1);
    Controller controller(io, options.config_file.empty() ? config::load_default()
                                                          : config::load(options.config_file));
    std::filesystem::create_directories(controller.config.controller.state_dir);
    restore(controller);
    asio::ip::tcp::acceptor acceptor(io);
    const asio::ip::tcp::endpoint everywhere(asio::ip::tcp::v4(),
                                             controller.config.controller.port);
    acceptor.open(everywhere.protocol());
    // Connections of the daemon before this one may not all have been forgotten yet.
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(everywhere);
    acceptor.listen();
    asio::co_spawn(io, accept_all(controller, acceptor), asio::detached);
    asio::co_spawn(io, write_snapshots(controller), asio::detached);
    asio::co_spawn(io, write_comments(controller), asio::detached);
    asio::signal_set stop(io, SIGTERM, SIGINT);
    stop.async_wait([&](const boost::system::error_code&, int) { io.stop(); });
    spdlog::info("holond {} --controller: {} nodes known from before", HOLON_VERSION,
                 controller.registry.comments().size());
    io.run();
    spdlog::default_logger()->flush();
    std::_Exit(0);  // what coroutines were in the middle of, the next daemon does again
}

}  // namespace holon::controller
