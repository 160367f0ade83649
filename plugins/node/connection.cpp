// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/connection.h"

#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::node {
namespace {

// Requests are small; a stranger must not make the daemon hold 16 MiB for each connection.
constexpr size_t max_request = 1u << 20;

}  // namespace

Connection::Connection(asio::io_context& io, asio::thread_pool& pool, os::Fd socket, bool sealed,
                       uid_t uid)
    : io_(io), pool_(pool), socket_(io, socket.release()), sealed_(sealed), uid_(uid) {}

void Connection::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

Task<nlohmann::json> Connection::receive(Clock::time_point deadline) {
    asio::steady_timer timer(io_, deadline);
    auto expired = std::make_shared<bool>(false);
    if (deadline != Clock::time_point::max())
        timer.async_wait([this, expired](const boost::system::error_code& error) {
            if (error) return;
            *expired = true;
            boost::system::error_code ignored;
            socket_.cancel(ignored);
        });
    std::string message;
    char chunk[16384];
    while (!rpc::unframe(buffer_, message)) {
        if (buffer_.size() > max_request)
            throw Error("a request of over {} bytes is not taken", max_request);
        boost::system::error_code error;
        size_t got = co_await socket_.async_read_some(
            asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
        if (*expired) throw Error("no message in time");
        if (error) throw Error("the connection ended ({})", error.message());
        buffer_.append(chunk, got);
    }
    timer.cancel();
    if (sealed_) {
        std::string text;
        uid_t sender = co_await blocking(pool_, [&] { return rpc::open(message, text); });
        if (known_ && sender != uid_)
            throw Error("a message of uid {} on a connection of uid {}", sender, uid_);
        uid_ = sender;
        known_ = true;
        message = std::move(text);
    }
    auto json = rpc::parse(message);
    if (!json.is_object()) throw Error("a request that is not a JSON object");
    co_return json;
}

Task<void> Connection::send(const nlohmann::json& message) {
    std::string framed;
    if (sealed_) {
        nlohmann::json addressed = message;
        if (!to_.empty()) addressed["to"] = to_;
        std::string text = addressed.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        uid_t reader = uid_;
        framed = rpc::frame(co_await blocking(pool_, [&] { return rpc::seal(text, reader); }));
    } else {
        framed = rpc::frame(message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
    boost::system::error_code error;
    co_await asio::async_write(socket_, asio::buffer(framed),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error) throw Error("the connection ended ({})", error.message());
}

Task<void> Connection::closed() {
    char byte;
    boost::system::error_code error;
    co_await socket_.async_read_some(asio::buffer(&byte, 1),
                                     asio::redirect_error(asio::use_awaitable, error));
}

}  // namespace holon::node
