// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first node's end of ssi/control/control.h: programs with threads ask here for their parts on
// other nodes.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ssi/control/control.h"
#include "ssi/daemon/child_time.h"
#include "ssi/daemon/history.h"
#include "ssi/daemon/members.h"
#include "ssi/daemon/orders.h"
#include "ssi/daemon/peers.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::daemon {

// One thread for each program that is connected: a request is carried out where it is read, which
// spares a thread's start a change of threads. Thread-safe; lives as long as the daemon.
class ControlServer {
  public:
    ControlServer(const Members& members, Peers& peers, const Digest& runtime);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // DEPARTED hears that a process gets its first body, before it has one.
    using Departed = std::function<void(pid_t)>;
    // Accepts programs on ADDRESS until the daemon ends.
    void serve(const std::string& address, Departed departed);

    struct Program {
        pid_t pid;
        uid_t uid;
        std::uint64_t away;  // threads
        std::string pinned;
    };
    std::vector<Program> programs() const;

    // A program, and what it has recorded about itself.
    struct Observed {
        pid_t pid;
        uid_t uid;
        std::string program;
        std::uint64_t away;
        std::string pinned;
        os::Fd memory;  // invalid: it has no threads elsewhere
    };
    // Has all programs of ASKING (root: all) record for some seconds more.
    std::vector<Observed> observe(uid_t asking);

    // What the processes below one process have recorded, from their beginning; also of those that
    // have ended. As long as it lives, they record. Thread-safe.
    class Session;
    std::shared_ptr<Session> profile(pid_t above);

    // Moves a thread (TID 0: all of them); JSON, a list of {tid, node, error}. Throws Error when
    // the process is not ASKING's, has ended, or cannot be moved.
    std::string move(uid_t asking, pid_t pid, pid_t tid, std::uint32_t node);

    ChildTime& children() { return children_; }

    // Has a process of ASKING's (root: any) come home, if it has threads elsewhere, and waits for
    // it some seconds.
    void bring_home(uid_t asking, pid_t pid);

  private:
    struct Client;
    struct Recorded;
    void accept_all(const os::Fd& listener);
    void serve_client(Client& client);
    static void log_end(const Client& client);
    bool answer(Client& client, const ControlMessage& request);
    bool welcome(Client& client, const ControlMessage& request);
    bool start_body(Client& client, const ControlMessage& request);
    bool open_channel(Client& client, const ControlMessage& request);
    bool attend(Client& client);
    void remember(Client& client, const std::string& reason);
    void judged(const Client& client);
    void settle(pid_t process, std::uint64_t number, const std::map<std::uint32_t, Token>& bodies);
    void join_session(Client& client);
    std::shared_ptr<Orders> orders_of(uid_t asking, pid_t pid);

    History history_;
    ChildTime children_;
    Departed departed_;
    const Members& members_;
    Peers& peers_;
    const Digest runtime_;
    mutable std::mutex mutex_;
    std::list<Client> clients_;
    std::vector<std::weak_ptr<Session>> sessions_;  // under mutex_
};

}  // namespace holon::ssi::daemon
