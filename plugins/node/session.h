// SPDX-License-Identifier: GPL-2.0-or-later
// One task of a step: relays frames between holon-run (local socket, any user's process) and the
// guest. Only the frames a client may send are passed on, for its own session, and the identity in
// `open` is the job's, set here.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "plugins/node/connection.h"
#include "plugins/node/vm_channel.h"
#include "plugins/os/process.h"

namespace holon::node {

class Session : public SessionEnd {
  public:
    Session(asio::io_context& io, std::shared_ptr<VmChannel> channel, Connection& client,
            std::uint64_t id, const os::Identity& user);
    ~Session() override;

    // Until the client closes or the VM is lost. A local client that goes away without `close` ends
    // its session; one on another node may come again.
    Task<void> run();

    void from_guest(const channel::Frame& frame) override;
    void lost(const std::string& reason) override;
    void cut() override;

    // Called with a signal that Slurm sent the task, by which it may announce a preemption, and
    // whether holon-run holds it back until pass_on().
    std::function<void(int number, bool held)> warned;
    void pass_on(int number, bool drop);
    // A line for the user's stderr.
    void tell(const std::string& line);
    // Asks the client how far the output was written, while the VM stands. What it says is in
    // marked() once CHANGED is notified. Not for clients that do not know the question.
    void mark(std::uint64_t number, Event& changed);
    bool asked(std::uint64_t number) const { return mark_ == number; }
    const std::optional<std::string>& marked() const { return marked_; }
    // The guest has the session.
    bool known() const { return known_; }
    std::uint64_t id() const { return id_; }

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
    bool known_ = false;
    std::uint64_t mark_ = 0;  // the number of the question
    Event* mark_changed_ = nullptr;
    std::optional<std::string> marked_;
    Event work_, changed_;

    void from_client(const channel::Frame& frame);
    Task<void> write_loop();
    void queue(const channel::Frame& frame);
};

}  // namespace holon::node
