// SPDX-License-Identifier: GPL-2.0-or-later
// The guest's side of the conversation (docs/channel-protocol.md), whatever carries it: sync,
// configuration, and the sessions, which outlive every connection. The carrier (Link) hands over
// frames and pulls those to be sent.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "guest/loop.h"
#include "guest/session.h"
#include "plugins/channel/frame.h"

namespace holon::guest {

struct EngineOptions {
    SessionOptions sessions;
    std::string boot_id;
    // Applies GuestConfig JSON and calls DONE, now or later, with an empty string or the reason why
    // it failed.
    std::function<void(const std::string& text, std::function<void(std::string)> done)> configure;
    std::function<void()> poweroff;
    std::function<void(std::int64_t time_ns)> set_clock;
};

class Engine {
  public:
    Engine(Loop& loop, Reaper& reaper, EngineOptions options);

    void handle(const channel::Frame& frame);
    void link_lost();
    // The next frame for the host, from the sessions in turn; nullopt while there is nothing to
    // say.
    std::optional<channel::Frame> next_frame();
    // Forgets sessions that are over. Not to be called from within handle() or next_frame().
    void sweep();
    std::size_t sessions() const { return sessions_.size(); }

  private:
    void sync(const channel::Frame& frame);
    void configure(const channel::Frame& frame);
    void open(const channel::Frame& frame);
    void say(channel::Type type, std::string payload, std::uint64_t session = 0);
    void begin_silence();

    Loop& loop_;
    Reaper& reaper_;
    const EngineOptions options_;
    std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;
    std::uint64_t last_served_ = 0;
    std::map<std::uint64_t, channel::Reassembly> opening_;
    channel::Reassembly configuration_{};
    std::deque<channel::Frame> to_say_;  // answers that belong to no session; bounded
    bool synchronised_ = false;
    enum class State { fresh, configuring, configured } state_ = State::fresh;
    std::string configured_with_;
};

}  // namespace holon::guest
