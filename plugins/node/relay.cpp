// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/relay.h"

#include <spdlog/spdlog.h>

#include <vector>

#include "plugins/channel/frame.h"
#include "plugins/node/connection.h"
#include "plugins/node/peers.h"
#include "plugins/os/error.h"

namespace holon::node {
namespace {

// An answer may wait for the VM, whose holond may have been started a moment ago.
constexpr auto patience = std::chrono::seconds(90);

Task<bool> write_all(Connection& to, const std::string& bytes) {
    boost::system::error_code error;
    co_await asio::async_write(to.socket(), asio::buffer(bytes),
                               asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
}

// From the VM's node, byte by byte.
Task<void> pass_down(Connection& node, Connection& client) {
    std::string bytes = node.take_leftover();
    for (;;) {
        const bool written = co_await write_all(client, bytes);
        if (!written) break;
        bytes.resize(128 * 1024);
        boost::system::error_code error;
        const size_t got = co_await node.socket().async_read_some(
            asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
        bytes.resize(got);
    }
    client.close();
}

// From the task, whole frames only: the last word may be ours.
Task<void> pass_up(Connection& client, Connection& node) {
    channel::Decoder decoder(channel::Decoder::Mode::strict);
    std::string bytes = client.take_leftover();
    std::uint64_t session = 0;
    bool closed = false, reachable = true;
    try {
        std::vector<char> chunk(128 * 1024);
        for (;;) {
            decoder.feed(bytes);
            std::string frames;
            while (auto frame = decoder.next()) {
                session = frame->session;
                closed = closed || frame->type == channel::Type::close;
                channel::encode_to(frames, *frame);
            }
            reachable = co_await write_all(node, frames);
            if (!reachable) break;
            boost::system::error_code error;
            const size_t got = co_await client.socket().async_read_some(
                asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
            if (error) break;
            bytes.assign(chunk.data(), got);
        }
    } catch (const std::exception& error) {
        spdlog::warn("a task sends what is no frame: {}", error.what());
    }
    if (reachable && !closed && session != 0) {
        channel::Frame last;
        last.type = channel::Type::close;
        last.session = session;
        const std::string frame = channel::encode(last);
        co_await write_all(node, frame);
    }
    boost::system::error_code ignored;
    node.socket().cancel(ignored);
}

}  // namespace

Task<void> relay_session(Daemon& daemon, Connection& client, std::shared_ptr<Run> run,
                         nlohmann::json request, const std::string& node) {
    request["restart"] = run->job().restart;
    request["from"] = run->prolog().node;
    std::shared_ptr<Connection> connection;
    nlohmann::json reply;
    std::string fault;
    try {
        connection = co_await connect_to(daemon, node);
        co_await connection->send(request);
        reply = co_await connection->receive(Clock::now() + patience);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        if (run->failed()) throw Error("{}", run->failure());
        spdlog::warn("job {}: a task's VM on {}: {}", run->name(), node, fault);
        client.close();
        co_return;
    }
    if (reply.contains("error")) throw Error("{}", reply["error"].get<std::string>());
    co_await client.send(reply);

    Event over(daemon.io);
    bool down = false;
    asio::co_spawn(
        daemon.io,
        [connection, &client, &down, &over]() -> Task<void> {
            co_await pass_down(*connection, client);
            down = true;
            over.notify_all();
        },
        asio::detached);
    co_await pass_up(client, *connection);
    while (!down) co_await over.wait();
    connection->close();
}

}  // namespace holon::node
