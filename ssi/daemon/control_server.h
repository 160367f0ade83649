// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first node's end of ssi/control/control.h: programs with threads ask here for their parts on
// other nodes.
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "ssi/control/control.h"
#include "ssi/daemon/members.h"
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

    // Accepts programs on ADDRESS until the daemon ends.
    void serve(const std::string& address);

    struct Program {
        pid_t pid;
        uid_t uid;
        std::uint64_t away;  // threads
        std::string pinned;
    };
    std::vector<Program> programs() const;

  private:
    struct Client;
    void accept_all(const os::Fd& listener);
    void serve_client(Client& client);
    bool answer(Client& client, const ControlMessage& request);
    bool welcome(Client& client);
    bool start_body(Client& client, const ControlMessage& request);
    bool open_channel(Client& client, const ControlMessage& request);

    const Members& members_;
    Peers& peers_;
    const Digest runtime_;
    mutable std::mutex mutex_;
    std::list<Client> clients_;
};

}  // namespace holon::ssi::daemon
