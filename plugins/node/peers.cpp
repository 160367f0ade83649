// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/peers.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "plugins/network/network.h"
#include "plugins/node/connection.h"
#include "plugins/node/cut.h"
#include "plugins/node/migration.h"
#include "plugins/os/error.h"

namespace holon::node {
namespace {

// Sends MESSAGE() now and after every change of RUN, until either end is gone.
template <typename Message>
Task<void> send_changes(std::shared_ptr<Run> run, std::shared_ptr<Connection> connection,
                        Message message) {
    nlohmann::json sent;
    try {
        while (!run->stopping() && connection->socket().is_open()) {
            nlohmann::json now = message();
            if (now != sent) {
                sent = now;
                co_await connection->send(sent);
                continue;  // it may have changed while it was sent
            }
            co_await run->changed().wait();
        }
    } catch (const std::exception&) {
        // The receiving side sees the same end and says so.
    }
    connection->close();
}

}  // namespace

Task<std::shared_ptr<Connection>> connect_to(Daemon& daemon, const std::string& node) {
    auto address = co_await blocking(daemon.pool, [&] { return network::resolve(node); });
    asio::ip::tcp::socket socket(daemon.io);
    asio::steady_timer limit(daemon.io, std::chrono::seconds(5));
    limit.async_wait([&socket](const boost::system::error_code& error) {
        boost::system::error_code ignored;
        if (!error) socket.close(ignored);
    });
    co_await socket.async_connect({asio::ip::make_address(address), daemon.config.rpc.port},
                                  asio::use_awaitable);
    limit.cancel();
    socket.non_blocking(true);
    auto connection =
        std::make_shared<Connection>(daemon.io, daemon.pool, os::Fd(socket.release()), true, 0);
    connection->address_to(node);
    co_return connection;
}

Task<void> report_end_to_head(Daemon& daemon, std::shared_ptr<Run> run) {
    try {
        auto connection = co_await connect_to(daemon, run->head());
        co_await connection->send(run->report_to_head());
        co_await connection->receive(Clock::now() + std::chrono::seconds(5));
        connection->close();
    } catch (const std::exception& error) {
        spdlog::warn("job {}: head node {} could not be told: {}", run->name(), run->head(),
                     error.what());
    }
}

Task<void> report_to_head(Daemon& daemon, std::shared_ptr<Run> run) {
    auto pause = std::chrono::milliseconds(250);
    while (!run->stopping()) {
        std::string fault;
        try {
            auto connection = co_await connect_to(daemon, run->head());
            asio::co_spawn(daemon.io,
                           send_changes(run, connection, [run] { return run->report_to_head(); }),
                           asio::detached);
            while (!run->stopping()) {
                auto view = co_await connection->receive();
                if (view.contains("error")) throw Error("{}", view["error"].get<std::string>());
                run->head_report(view);
                pause = std::chrono::milliseconds(250);
            }
            connection->close();
        } catch (const std::exception& error) {
            fault = error.what();
        }
        if (run->stopping()) break;
        run->peer_lost(run->head(), fault);
        if (pause > std::chrono::seconds(2))
            spdlog::warn("job {}: head node {}: {}; trying again", run->name(), run->head(), fault);
        // The head may still be before its own prolog, or its daemon is being replaced.
        auto until = Clock::now() + pause;
        while (!run->stopping() && Clock::now() < until) co_await run->changed().wait(until);
        pause = std::min(pause * 2, std::chrono::milliseconds(5000));
    }
}

Task<void> serve_peer(Daemon& daemon, std::shared_ptr<Connection> client,
                      const nlohmann::json& hello) {
    if (client->uid() != 0 || client->local())
        throw Error("only another node's holond may report for a job");
    auto key = std::make_pair(hello.at("job").get<std::uint32_t>(),
                              hello.at("restart").get<std::uint32_t>());
    // The other node's prolog may have been faster than ours.
    auto deadline = Clock::now() + std::chrono::seconds(60);
    while (!daemon.runs.count(key)) {
        const bool in_time = co_await daemon.changed.wait(deadline);
        if (!in_time && !daemon.runs.count(key))
            throw Error("job {}.{} is not known on {}", key.first, key.second, daemon.host);
    }
    auto run = daemon.runs.at(key);
    std::string node = hello.at("node");
    const auto& nodes = run->prolog().nodes;
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end())
        throw Error("{} is not a node of job {}", node, run->name());
    asio::co_spawn(daemon.io, send_changes(run, client, [run] { return run->view_for_peers(); }),
                   asio::detached);
    // A node that is lost in the middle of a checkpoint ends it.
    struct Lost {
        std::shared_ptr<Run> run;
        std::string node;
        ~Lost() { run->peer_lost(node, "the connection to it ended"); }
    } lost{run, node};
    auto message = hello;
    while (!run->stopping()) {
        if (message.contains("save") && run->cut())
            run->cut()->node_says(node, save_report(message["save"]));
        if (message.contains("move")) run->migration().node_says(node, message["move"]);
        if (auto failure = message.value("failure", std::string()); !failure.empty())
            run->fail(failure, message.value("console", std::vector<std::string>()));
        for (const auto& entry : message.at("vms")) {
            std::uint32_t index = entry.at("index");
            // A node speaks for its own VMs alone.
            if (run->plan() && index < run->plan()->vms.size() &&
                run->plan()->vms[index].node != node)
                continue;
            while (!run->plan() && !run->stopping() && !run->failed())
                co_await run->changed().wait();
            VmReport report;
            report.state = vm_state(entry.value("state", std::string()));
            report.reason = entry.value("reason", std::string());
            report.console = entry.value("console", std::vector<std::string>());
            run->peer_report(index, report);
        }
        message = co_await client->receive();
    }
    client->close();
}

}  // namespace holon::node
