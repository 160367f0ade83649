// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/engine.h"

#include <time.h>

#include "guest/json.h"
#include "guest/log.h"

namespace holon::guest {

using channel::Frame;
using channel::Type;

namespace {

// Far above what a VM's job has; a host that opens or asks beyond it is broken.
constexpr std::size_t max_sessions = 4096;
constexpr std::size_t max_opening = 64;
constexpr std::size_t max_answers = 1024;
constexpr std::size_t max_open_request = 8u << 20;

std::string hex(std::uint64_t id) {
    std::string text(16, '0');
    for (std::size_t i = 16; i-- > 0; id >>= 4) text[i] = "0123456789abcdef"[id & 15];
    return text;
}

std::int64_t milliseconds_since_boot() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

// A configuration is the same when it differs only in what differs every time it is sent.
std::string fingerprint(const std::string& text) {
    auto json = parse_json(text);
    json.erase("time_ns");
    json.erase("entropy");
    return dump_json(json);
}

}  // namespace

Engine::Engine(Loop& loop, Reaper& reaper, EngineOptions options)
    : loop_(loop), reaper_(reaper), options_(std::move(options)) {}

void Engine::say(Type type, std::string payload, std::uint64_t session) {
    if (to_say_.size() >= max_answers) return;
    Frame frame;
    frame.type = type;
    frame.session = session;
    frame.payload = std::move(payload);
    to_say_.push_back(std::move(frame));
}

void Engine::begin_silence() {
    synchronised_ = false;
    to_say_.clear();
    opening_.clear();
    for (const auto& [id, session] : sessions_) session->detach();
}

void Engine::link_lost() {
    if (synchronised_) begin_silence();
}

void Engine::handle(const Frame& frame) {
    if (frame.type == Type::sync) return sync(frame);
    if (!synchronised_) return;
    switch (frame.type) {
        case Type::configure:
            return configure(frame);
        case Type::open:
            return open(frame);
        case Type::poweroff:
            if (options_.poweroff) options_.poweroff();
            return;
        case Type::clock:
            if (options_.set_clock) options_.set_clock(static_cast<std::int64_t>(frame.offset));
            return;
        case Type::data:
        case Type::eof:
        case Type::ack:
        case Type::signal:
        case Type::winsize:
        case Type::close:
        case Type::attach:
            break;
        default:
            return;
    }
    if (const auto found = sessions_.find(frame.session); found != sessions_.end())
        found->second->handle(frame);
    else if (frame.type == Type::attach)
        say(Type::no_session, {}, frame.session);
}

void Engine::sync(const Frame& frame) {
    if (frame.payload.size() != 16) return;
    begin_silence();
    synchronised_ = true;
    auto sessions = Json::array();
    for (const auto& [id, session] : sessions_) sessions.push_back(hex(id));
    say(Type::sync_ack, frame.payload + dump_json({{"version", HOLON_VERSION},
                                                   {"boot_id", options_.boot_id},
                                                   {"configured", state_ == State::configured},
                                                   {"sessions", std::move(sessions)}}));
}

void Engine::configure(const Frame& frame) {
    const auto fail = [this](const std::string& reason) {
        log("configure: " + reason);
        say(Type::failed, dump_json({{"error", reason}}));
    };
    const auto ready = [this] {
        say(Type::ready, dump_json({{"boot_ms", milliseconds_since_boot()}}));
    };
    bool begun = false;
    try {
        const auto text = configuration_.add(frame);
        if (!text) return;
        const auto wanted = fingerprint(*text);
        if (state_ == State::configuring)
            return;  // its answer goes to whoever is connected by then
        if (state_ == State::configured && wanted == configured_with_) return ready();
        begun = true;
        state_ = State::configuring;
        configured_with_ = wanted;
        options_.configure(*text, [this, fail, ready](const std::string& error) {
            state_ = error.empty() ? State::configured : State::fresh;
            if (!error.empty()) return fail(error);
            log("ready after " + std::to_string(milliseconds_since_boot()) + " ms");
            ready();
        });
    } catch (const std::exception& error) {
        if (begun) state_ = State::fresh;
        fail(error.what());
    }
}

void Engine::open(const Frame& frame) {
    const auto id = frame.session;
    if (sessions_.contains(id)) return;
    const auto refuse = [&](const std::string& reason) {
        say(Type::error, dump_json({{"error", reason}, {"status", 126}}), id);
    };
    auto found = opening_.find(id);
    if (found == opening_.end()) {
        if (opening_.size() >= max_opening || sessions_.size() >= max_sessions)
            return refuse("too many sessions in this VM");
        found = opening_.emplace(id, channel::Reassembly(max_open_request)).first;
    }
    std::optional<std::string> text;
    try {
        text = found->second.add(frame);
    } catch (const std::exception& error) {
        opening_.erase(found);
        return refuse(error.what());
    }
    if (!text) return;
    opening_.erase(found);
    if (state_ != State::configured) return refuse("the VM is not configured yet");
    auto session = std::make_unique<Session>(id, loop_, reaper_, options_.sessions);
    session->open(*text);
    sessions_.emplace(id, std::move(session));
}

std::optional<Frame> Engine::next_frame() {
    if (!synchronised_) return std::nullopt;
    if (!to_say_.empty()) {
        auto frame = std::move(to_say_.front());
        to_say_.pop_front();
        return frame;
    }
    if (sessions_.empty()) return std::nullopt;
    auto next = sessions_.upper_bound(last_served_);
    for (std::size_t i = 0; i < sessions_.size(); ++i, ++next) {
        if (next == sessions_.end()) next = sessions_.begin();
        if (auto frame = next->second->next_frame()) {
            last_served_ = next->first;
            return frame;
        }
    }
    return std::nullopt;
}

void Engine::sweep() {
    std::erase_if(sessions_, [](const auto& entry) { return entry.second->over(); });
}

}  // namespace holon::guest
