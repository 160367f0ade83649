// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/session.h"

#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::node {
namespace {

// Two output windows and what controls them; a guest that sends more than it may loses the session.
constexpr size_t queue_limit = 4 * channel::stream_window;

}  // namespace

Session::Session(asio::io_context& io, std::shared_ptr<VmChannel> channel, Connection& client,
                 std::uint64_t id, const os::Identity& user)
    : io_(io),
      channel_(std::move(channel)),
      client_(client),
      id_(id),
      user_(user),
      decoder_(channel::Decoder::Mode::strict),
      work_(io),
      changed_(io) {
    channel_->attach(id_, this);
}

Session::~Session() { channel_->detach(id_, this); }

Task<void> Session::run() {
    asio::co_spawn(
        io_,
        [this]() -> Task<void> {
            co_await write_loop();
            writer_done_ = true;
            changed_.notify_all();
        },
        asio::detached);
    std::string bytes = client_.take_leftover();
    std::vector<char> chunk(128 * 1024);
    try {
        for (;;) {
            decoder_.feed(bytes);
            while (auto frame = decoder_.next()) from_client(*frame);
            co_await channel_->wait_for_room();
            boost::system::error_code error;
            size_t got = co_await client_.socket().async_read_some(
                asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
            if (error) break;
            bytes.assign(chunk.data(), got);
        }
    } catch (const std::exception& problem) {
        lost(problem.what());
    }
    // A relay (relay.h) says close itself; when it does not, its holond is away for a while.
    if (!finished_ && !ending_ && client_.local()) {
        channel::Frame close;
        close.type = channel::Type::close;
        close.session = id_;
        channel_->send(close);
    }
    ending_ = true;
    work_.notify_all();
    while (!writer_done_) co_await changed_.wait();
}

void Session::from_client(const channel::Frame& frame) {
    using channel::Type;
    if (frame.session != id_) throw Error("a frame for another session");
    switch (frame.type) {
        case Type::open: {
            auto text = open_.add(frame);
            if (!text) return;
            auto request = rpc::parse(*text);
            if (!request.is_object()) throw Error("an open request that is not a JSON object");
            request["uid"] = user_.uid;
            request["gid"] = user_.gid;
            request["groups"] = user_.groups;
            channel_->send(channel::fragment(
                Type::open, id_,
                request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
            return;
        }
        case Type::close:
            finished_ = true;
            [[fallthrough]];
        case Type::data:
        case Type::eof:
        case Type::ack:
        case Type::signal:
        case Type::winsize:
        case Type::attach:
            channel_->send(frame);
            return;
        case Type::marked:
            if (mark_changed_ == nullptr || frame.offset != mark_ || marked_) return;
            marked_ = frame.payload;
            mark_changed_->notify_all();
            return;
        case Type::warned:
            if (frame.offset > 64) throw Error("signal {} is none", frame.offset);
            if (warned)
                warned(static_cast<int>(frame.offset), (frame.flags & channel::flag_held) != 0);
            return;
        default:
            throw Error("a frame of type {}, which a client may not send",
                        static_cast<unsigned>(frame.type));
    }
}

void Session::tell(const std::string& line) {
    if (ending_) return;
    channel::Frame frame;
    frame.type = channel::Type::notice;
    frame.session = id_;
    frame.payload = line;
    queue(frame);
}

void Session::pass_on(int number, bool drop) {
    if (ending_) return;
    channel::Frame frame;
    frame.type = channel::Type::pass_on;
    frame.session = id_;
    frame.offset = static_cast<std::uint64_t>(number);
    frame.flags = drop ? channel::flag_drop : 0;
    queue(frame);
}

void Session::mark(std::uint64_t number, Event& changed) {
    mark_ = number;
    mark_changed_ = &changed;
    marked_.reset();
    if (ending_) return;
    channel::Frame frame;
    frame.type = channel::Type::mark;
    frame.session = id_;
    frame.offset = number;
    queue(frame);
}

void Session::queue(const channel::Frame& frame) {
    queue_.push_back(channel::encode(frame));
    queued_ += queue_.back().size();
    work_.notify_all();
}

void Session::from_guest(const channel::Frame& frame) {
    if (ending_) return;
    known_ = known_ || frame.type != channel::Type::no_session;
    if (queued_ > queue_limit) {
        lost("the guest sent more than it was allowed to");
        return;
    }
    queue(frame);
}

void Session::lost(const std::string& reason) {
    if (ending_) return;
    channel::Frame frame;
    frame.type = channel::Type::failed;
    frame.session = id_;
    frame.payload = nlohmann::json{{"error", reason}}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
    queue(frame);
    ending_ = true;
    work_.notify_all();
}

// It finds its way back by itself, and asks again for what is not acknowledged.
void Session::cut() {
    if (ending_) return;
    queue_.clear();
    ending_ = true;
    work_.notify_all();
}

Task<void> Session::write_loop() {
    for (;;) {
        if (queue_.empty()) {
            if (ending_) break;
            co_await work_.wait();
            continue;
        }
        std::string bytes = std::move(queue_.front());
        queue_.pop_front();
        boost::system::error_code error;
        co_await asio::async_write(client_.socket(), asio::buffer(bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
        queued_ -= bytes.size();
        if (error) break;
    }
    client_.close();  // ends run()'s read
}

}  // namespace holon::node
