// SPDX-License-Identifier: GPL-2.0-or-later
// The conversation with holon-guest in one VM (docs/channel-protocol.md, host side): connects to
// QEMU's socket, synchronises, configures the guest, then carries the frames of all its sessions.
// The guest is hostile: the user owns the image. A guest that breaks a rule loses its channel, and
// with that its VM; never more.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "plugins/channel/frame.h"
#include "plugins/node/event.h"
#include "plugins/os/fd.h"

namespace holon::node {

// One end of a session on the host: frames from the guest are handed to it. It must not block.
class SessionEnd {
  public:
    virtual ~SessionEnd() = default;
    virtual void from_guest(const channel::Frame& frame) = 0;
    // The VM is lost; no frame follows.
    virtual void lost(const std::string& reason) = 0;
    // The conversation with the VM is broken, the VM is not: the client is to come back.
    virtual void cut() = 0;
};

class VmChannel {
  public:
    // SOCKET is connected to that of QEMU.
    VmChannel(asio::io_context& io, os::Fd socket);

    // Reads and writes until QEMU closes or the guest breaks the protocol; then fault() says why.
    Task<void> run();
    void close();

    // Waits for the guest's answer to the first frame, sends CONFIG where it is not configured yet,
    // and waits until it is ready. Throws Error when it fails or the deadline passes.
    Task<void> configure(const nlohmann::json& config, Clock::time_point deadline);

    void send(const channel::Frame& frame);
    void send(const std::vector<channel::Frame>& frames);
    // Bytes accepted by send() and not yet taken by QEMU; whoever feeds the channel waits while
    // this is large.
    size_t queued() const { return queued_; }
    Task<void> wait_for_room();

    void attach(std::uint64_t session, SessionEnd* end);
    void detach(std::uint64_t session, const SessionEnd* end);
    void lose_sessions(const std::string& reason);
    void cut_sessions();
    // The VM stood for a while: its guest is told what time it is.
    void set_clock();
    // Ends a session that nobody will attach to.
    void end_session(std::uint64_t session);
    // The guest had sessions when this conversation with it began to which nobody has attached yet:
    // holon-run is on its way back to a daemon that has just been started. (The guest ends those
    // that nobody comes for.)
    bool expects_sessions() const { return !expected_.empty() && Clock::now() < expected_until_; }

    bool ready() const { return ready_; }
    bool open() const { return !closed_; }
    std::uint64_t guest_boot_ms() const { return guest_boot_ms_; }
    const std::string& fault() const { return fault_; }

  private:
    asio::io_context& io_;
    asio::posix::stream_descriptor socket_;
    channel::Decoder decoder_;
    std::array<std::uint8_t, 16> nonce_{};
    std::deque<std::string> queue_;
    size_t queued_ = 0;
    bool synchronised_ = false, configured_ = false, ready_ = false, closed_ = false;
    std::uint64_t guest_boot_ms_ = 0;
    std::string fault_;
    std::map<std::uint64_t, SessionEnd*> sessions_;
    std::set<std::uint64_t> expected_;
    Clock::time_point expected_until_{};
    Event changed_, room_, work_;

    void handle(const channel::Frame& frame);
    Task<void> write_loop();
};

}  // namespace holon::node
