// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/vm_channel.h"

#include <sys/random.h>

#include "plugins/node/console.h"
#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::node {
namespace {

constexpr size_t queue_limit = 1u << 20;
constexpr auto guest_patience = std::chrono::seconds(120);  // docs/channel-protocol.md

nlohmann::json parse_guest_json(const std::string& text) {
    auto json = rpc::parse(text);
    return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace

VmChannel::VmChannel(asio::io_context& io, os::Fd socket)
    : io_(io),
      socket_(io, socket.release()),
      decoder_(channel::Decoder::Mode::resync),
      changed_(io),
      room_(io),
      work_(io) {
    if (::getrandom(nonce_.data(), nonce_.size(), 0) != static_cast<ssize_t>(nonce_.size()))
        throw Error("getrandom: {}", errno_text());
    decoder_.hunt_for_sync(nonce_);
    queue_.push_back(channel::sync_preamble(nonce_));
    queued_ = queue_.back().size();
}

Task<void> VmChannel::run() {
    bool writer_done = false;
    asio::co_spawn(
        io_,
        [&]() -> Task<void> {
            co_await write_loop();
            writer_done = true;
            changed_.notify_all();
        },
        asio::detached);
    std::vector<char> chunk(128 * 1024);
    while (!closed_) {
        boost::system::error_code error;
        size_t got = co_await socket_.async_read_some(
            asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
        try {
            decoder_.feed({chunk.data(), got});
            while (auto frame = decoder_.next()) handle(*frame);
        } catch (const std::exception& problem) {
            fault_ = problem.what();
            break;
        }
    }
    close();
    while (!writer_done) co_await changed_.wait();
}

Task<void> VmChannel::write_loop() {
    while (!closed_) {
        if (queue_.empty()) {
            co_await work_.wait();
            continue;
        }
        std::string bytes = std::move(queue_.front());
        queue_.pop_front();
        boost::system::error_code error;
        co_await asio::async_write(socket_, asio::buffer(bytes),
                                   asio::redirect_error(asio::use_awaitable, error));
        queued_ -= bytes.size();
        if (queued_ < queue_limit) room_.notify_all();
        if (error) close();
    }
}

void VmChannel::close() {
    if (closed_) return;
    closed_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    changed_.notify_all();
    work_.notify_all();
    room_.notify_all();
}

void VmChannel::send(const channel::Frame& frame) {
    if (closed_) return;
    queue_.push_back(channel::encode(frame));
    queued_ += queue_.back().size();
    work_.notify_all();
}

void VmChannel::send(const std::vector<channel::Frame>& frames) {
    for (const auto& frame : frames) send(frame);
}

Task<void> VmChannel::wait_for_room() {
    while (!closed_ && queued_ >= queue_limit) co_await room_.wait();
}

void VmChannel::handle(const channel::Frame& frame) {
    using channel::Type;
    switch (frame.type) {
        case Type::sync_ack: {
            auto answer = parse_guest_json(
                frame.payload.substr(std::min(frame.payload.size(), nonce_.size())));
            if (!synchronised_)
                for (const auto& id : answer.value("sessions", std::vector<std::string>()))
                    expected_.insert(std::strtoull(id.c_str(), nullptr, 16));
            expected_until_ = Clock::now() + guest_patience;
            synchronised_ = true;
            configured_ = answer.value("configured", false);
            changed_.notify_all();
            return;
        }
        case Type::ready:
            guest_boot_ms_ = parse_guest_json(frame.payload).value("boot_ms", std::uint64_t{0});
            ready_ = true;
            changed_.notify_all();
            return;
        case Type::failed:
            fault_ = parse_guest_json(frame.payload)
                         .value("error", std::string("the guest could not be configured"));
            changed_.notify_all();
            return;
        case Type::opened:
        case Type::data:
        case Type::eof:
        case Type::ack:
        case Type::exit:
        case Type::attached:
        case Type::no_session:
        case Type::error:
        case Type::notice:
            // Nobody attached: nothing is lost, the guest sends it again after the next attach.
            if (auto found = sessions_.find(frame.session); found != sessions_.end())
                found->second->from_guest(frame);
            return;
        default:
            throw Error("the guest sent a frame of type {}, which only the host may send",
                        static_cast<unsigned>(frame.type));
    }
}

Task<void> VmChannel::configure(const nlohmann::json& config, Clock::time_point deadline) {
    auto wait_until = [&](auto condition) -> Task<void> {
        while (!condition()) {
            if (!fault_.empty()) throw Error("{}", fault_);
            if (closed_) throw Error("its QEMU closed the channel");
            if (!co_await changed_.wait(deadline)) throw Error("no answer from the guest in time");
        }
    };
    // The guest's kernel may hand over what was sent on a fresh connection before it knows of the
    // connection: the agent then takes its answer back. The sync is repeated until an answer comes;
    // what is sent after the answer is behind all of them, so none of them can end a conversation.
    channel::Frame sync;
    sync.type = channel::Type::sync;
    sync.payload.assign(reinterpret_cast<const char*>(nonce_.data()), nonce_.size());
    for (auto again = Clock::now() + std::chrono::milliseconds(500); !synchronised_;) {
        if (!fault_.empty()) throw Error("{}", fault_);
        if (closed_) throw Error("its QEMU closed the channel");
        co_await changed_.wait(std::min(deadline, again));
        if (synchronised_) break;
        if (Clock::now() >= deadline) throw Error("no answer from the guest in time");
        if (Clock::now() < again) continue;
        if (queue_.empty()) send(sync);
        again = Clock::now() + std::chrono::milliseconds(500);
    }
    // A configured guest answers `ready` at once; the frame is sent to it too, and changes nothing.
    // The guest sets its clock by it, and was booting until now.
    auto timely = config;
    timely["time_ns"] = std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
    send(channel::fragment(channel::Type::configure, 0, timely.dump()));
    co_await wait_until([&] { return ready_; });
}

void VmChannel::attach(std::uint64_t session, SessionEnd* end) {
    expected_.erase(session);
    changed_.notify_all();
    auto [entry, inserted] = sessions_.try_emplace(session, end);
    if (!inserted) {
        // A client that came back before its old connection was seen to be closed takes the session
        // over.
        entry->second->lost("another connection took over the session");
        entry->second = end;
    }
}

void VmChannel::set_clock() {
    if (!ready_) return;
    channel::Frame frame;
    frame.type = channel::Type::clock;
    frame.offset =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
    send(frame);
}

void VmChannel::end_session(std::uint64_t session) {
    expected_.erase(session);
    channel::Frame close;
    close.type = channel::Type::close;
    close.session = session;
    send(close);
}

void VmChannel::detach(std::uint64_t session, const SessionEnd* end) {
    auto found = sessions_.find(session);
    if (found != sessions_.end() && found->second == end) sessions_.erase(found);
}

void VmChannel::cut_sessions() {
    auto sessions = std::exchange(sessions_, {});
    for (auto& [id, end] : sessions) end->cut();
}

void VmChannel::lose_sessions(const std::string& reason) {
    auto sessions = std::exchange(sessions_, {});
    for (auto& [id, end] : sessions) end->lost(reason);
}

}  // namespace holon::node
