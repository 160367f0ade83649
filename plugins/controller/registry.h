// SPDX-License-Identifier: GPL-2.0-or-later
// Registry: what `holond --controller` knows of the nodes and of checkpoints. Pure: the time comes
// in, a snapshot and the nodes' comments come out.
//
// A node that was silent for too long counts as broken, because a VM job that is sent there would
// fail; its ordinary jobs need no holond, so nothing is drained.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "select/site/snapshot.h"

namespace holon::controller {

inline constexpr const char* comment_prefix = "holon: ";

class Registry {
  public:
    // HEARTBEAT_S: seconds between two reports of a node. NOW: seconds since the epoch.
    Registry(std::int64_t heartbeat_s, std::int64_t now);

    // What an earlier daemon knew. Its nodes count as heard of now, so that a restart of the
    // controller's daemon breaks none of them.
    void restore(const site::Snapshot& snapshot, std::int64_t now);

    // True where what is known changed (not for a mere sign of life).
    bool report(site::NodeReport report, std::int64_t now);
    // The newest checkpoint of its job; one without shapes forgets the job.
    bool report(site::CheckpointReport report);
    bool report(site::SlurmReport report);
    // NODE was taken out of Slurm's configuration.
    void forget(const std::string& node);

    // True where a node has become too silent, or the time to settle is over, since the last call.
    bool tick(std::int64_t now);
    site::Snapshot snapshot(std::int64_t now) const;

    // What Slurm's comment of each node known here should be: "holon: …" for a broken one, else "".
    std::map<std::string, std::string> comments() const;

  private:
    struct Known {
        site::NodeReport report;
        std::int64_t heard = 0;
        bool silent = false;
    };
    std::int64_t heartbeat_s_, started_;
    bool settled_ = false;
    std::map<std::string, Known> nodes_;
    std::map<std::uint32_t, site::CheckpointReport> checkpoints_;
    site::SlurmReport slurm_;

    site::NodeReport as_seen(const Known& known) const;
};

}  // namespace holon::controller
