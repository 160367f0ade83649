// SPDX-License-Identifier: GPL-2.0-or-later
//
// The control server's own: what it keeps of each program.
#pragma once

#include <map>
#include <optional>

#include "ssi/daemon/control_server.h"
#include "ssi/daemon/history.h"
#include "ssi/daemon/messages.h"

namespace holon::ssi::daemon {

// What a session keeps of a program, which may have ended. Under the control server's mutex.
struct ControlServer::Recorded {
    pid_t pid;
    uid_t uid;
    std::string program;
    std::string pinned;
    os::Fd memory;
};

// One connected program.
struct ControlServer::Client {
    os::Fd socket;
    ucred who{};
    std::vector<gid_t> groups;
    bool greeted = false;
    bool agent = false;                     // it has named its agent
    std::string program;                    // its path
    std::optional<ProgramFile> file;        // the history knows it by this; not with --spread
    History::Time apart{};                  // when its first body process was started
    std::map<std::uint32_t, Token> bodies;  // by node
    std::map<std::uint32_t, std::uint64_t> started;  // threads, by node with a body process
    std::uint64_t unsettled = 0;  // its CPU time elsewhere is not known yet (ChildTime); 0: it is
    std::uint64_t away = 0;       // under mutex_
    std::string pinned;           // under mutex_
    std::shared_ptr<Orders> orders;      // under mutex_
    std::shared_ptr<Recorded> recorded;  // under mutex_: in a session
};

class ControlServer::Session {
  public:
    Session(std::mutex& mutex, pid_t above) : above_(above), mutex_(mutex) {}

    std::vector<Observed> recorded() const;

    const pid_t above_;
    std::vector<std::shared_ptr<Recorded>> all_;  // under the control server's mutex

  private:
    std::mutex& mutex_;
};

}  // namespace holon::ssi::daemon
