// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who is in the partition, as its first node keeps it. No sockets: the rules alone.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ssi/daemon/messages.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::daemon {

// Numbers are given once: running programs count CPUs by them, so a node that is down keeps its
// number, and gets it back when a daemon of the same name joins again. Thread-safe.
class Members {
  public:
    Members(std::string home_name, std::string home_address, std::uint32_t home_cpus,
            Digest runtime, Machine machine);

    // The node's number. FROM: where the member listens. Throws Error, for the member to show, when
    // it cannot be one of this partition.
    std::uint32_t join(const Join& join, const Endpoint& from);
    // Only if the node's current daemon is INSTANCE: a late end of an old link is not the new
    // one's.
    void lost(std::uint32_t number, const Digest& instance);
    bool is_current(std::uint32_t number, const Digest& instance) const;

    std::vector<MemberInfo> list() const;
    std::uint32_t count() const;                                   // highest number + 1
    std::optional<Endpoint> endpoint(std::uint32_t number) const;  // of a node that is up

  private:
    struct Node {
        MemberInfo info;
        Endpoint endpoint;
        Digest instance{};
    };
    std::uint32_t place(const Join& join, const Endpoint& from) const;

    const Digest runtime_;
    const Machine machine_;
    mutable std::mutex mutex_;
    std::vector<std::optional<Node>> nodes_;
};

}  // namespace holon::ssi::daemon
