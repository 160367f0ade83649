// SPDX-License-Identifier: GPL-2.0-or-later
//
// The body processes of this node: started for a program of another node, reached through its
// token, ended with the daemon.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "ssi/daemon/connection.h"
#include "ssi/daemon/messages.h"
#include "ssi/inject/runtime_file.h"

namespace holon::ssi::daemon {

// Thread-safe; lives as long as the daemon.
class Bodies {
  public:
    explicit Bodies(const inject::RuntimeFile& runtime) : runtime_(runtime) {}

    // Starts a body process with CONNECTION's socket as its page link, answers, and returns when
    // the process has ended. NODE: the number of this node. Throws Error when nothing was started.
    void run(const BodyRequest& request, std::uint32_t node, Connection& connection);

    // Answers and passes the socket to the body process. Throws Error when there is none.
    void pass(const ChannelRequest& request, Connection& connection);

    // What a body process had used when it ended; waits for that for some seconds. Throws Error
    // when there was none, or it is long ago.
    BodyUsed used(const Token& token);

    struct Info {
        pid_t pid;
        uid_t uid;
    };
    std::vector<Info> list() const;

    // Kills all of them and waits for their end.
    void end_all();

  private:
    struct Body;
    std::shared_ptr<Body> start(const BodyRequest& request, std::uint32_t node, int link);

    static void watch(Body& body);
    static void log_words(Body& body);

    const inject::RuntimeFile& runtime_;
    mutable std::mutex mutex_;
    std::map<Token, std::shared_ptr<Body>> bodies_;
    static constexpr std::size_t most_ended = 1024;
    std::deque<std::pair<Token, BodyUsed>> ended_;  // the oldest first
    std::condition_variable one_ended_;
    bool closed_ = false;
};

}  // namespace holon::ssi::daemon
