// SPDX-License-Identifier: GPL-2.0-or-later
// One task of a step: relays frames between holon-run (local socket, any user's process) and the
// guest. Only the frames a client may send are passed on, for its own session, and the identity in
// `open` is the job's, set here.
#pragma once

#include <memory>

#include "plugins/node/connection.h"
#include "plugins/node/vm_channel.h"
#include "plugins/os/process.h"

namespace holon::node {

class Session : public SessionEnd {
  public:
    Session(asio::io_context& io, std::shared_ptr<VmChannel> channel, Connection& client,
            std::uint64_t id, const os::Identity& user);
    ~Session() override;

    // Until the client closes or the VM is lost. A client that goes away without `close` ends its
    // session.
    Task<void> run();

    void from_guest(const channel::Frame& frame) override;
    void lost(const std::string& reason) override;

  private:
    asio::io_context& io_;
    std::shared_ptr<VmChannel> channel_;
    Connection& client_;
    std::uint64_t id_;
    const os::Identity& user_;
    channel::Decoder decoder_;
    channel::Reassembly open_;
    std::deque<std::string> queue_;
    size_t queued_ = 0;
    bool finished_ = false;  // the client said close
    bool ending_ = false;    // write what is queued, then end
    bool writer_done_ = false;
    Event work_, changed_;

    void from_client(const channel::Frame& frame);
    Task<void> write_loop();
    void queue(const channel::Frame& frame);
};

}  // namespace holon::node
