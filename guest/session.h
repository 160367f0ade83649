// SPDX-License-Identifier: GPL-2.0-or-later
// One session: a process with what descends from it, its streams, and what the host still has to be
// told about it. It lives on while no host is connected. Frames are pulled (next_frame), so nothing
// piles up for a slow host: a process whose output nobody takes is held up by its full pipe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "guest/cgroup.h"
#include "guest/launch.h"
#include "guest/loop.h"
#include "guest/streams.h"
#include "plugins/channel/frame.h"

namespace holon::guest {

struct SessionOptions {
    std::string cgroup_root;  // sessions are its leaves s-<id>; empty: the system has no cgroup v2
    std::string scripts = "/run/holon/scripts";
    std::chrono::milliseconds unattended{
        120'000};  // with no host attached for so long, a session is killed
    // Called in each first process, as root, before it becomes the user; what it throws is why the
    // program cannot be started.
    std::function<void()> enter = [] {};
};

class Session {
  public:
    Session(std::uint64_t id, Loop& loop, Reaper& reaper, const SessionOptions& options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Starts the process of the OpenRequest in TEXT. A request that cannot be met makes a session
    // that has failed: the host gets `error`, now and after every attach.
    void open(const std::string& text);
    // data, eof, ack, signal, winsize, close, attach.
    void handle(const channel::Frame& frame);
    // What to send next; nullopt while there is nothing, or no host attached.
    std::optional<channel::Frame> next_frame();
    // The host is gone, or has begun a new conversation: silence until it attaches.
    void detach();
    // Closed by the host (or unattended for too long), and nothing of it is left.
    bool over() const { return closing_ && !alive_ && group_empty_; }
    std::uint64_t id() const { return id_; }

  private:
    channel::Frame frame(channel::Type type) const;
    std::optional<channel::Frame> data_of(channel::Stream which, OutputStream& stream);
    void fail(int status, const std::string& reason);
    void protocol_error(const std::string& what);
    void kill_everything();
    void store_script(OpenRequest& request);

    void read_report();
    void read_output(OutputStream& stream, os::Fd& fd, Watch& watch);
    void write_input();
    void close_input();
    void main_ended(int status);
    void group_changed();
    void read_outputs();
    void attach(const channel::Frame& frame);
    void signal(const channel::Frame& frame);
    void close();

    const std::uint64_t id_;
    Loop& loop_;
    Reaper& reaper_;
    const SessionOptions& options_;
    const std::string hex_;

    Cgroup cgroup_;
    pid_t pid_ = -1;
    bool alive_ = false;       // the first process was not reaped yet
    bool group_empty_ = true;  // nothing of it runs any more
    std::optional<int> status_;
    std::string script_folder_;
    bool pty_ = false;

    os::Fd report_, in_, out_fd_, err_fd_, pty_slave_;
    Watch report_watch_, in_watch_, out_watch_, err_watch_, group_watch_;
    std::string report_text_;
    InputStream input_;
    OutputStream out_, err_;

    bool attached_ = true;  // by `open`
    bool closing_ = false;
    Timer unattended_;
    // To be sent, in this order.
    bool attached_due_ = false, opened_due_ = false, error_due_ = false, ack_due_ = false,
         exit_due_ = false;
    bool err_turn_ = false;
    std::string error_;  // JSON of the `error` frame
    std::vector<std::string> notices_;
};

}  // namespace holon::guest
