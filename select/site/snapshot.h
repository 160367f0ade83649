// SPDX-License-Identifier: GPL-2.0-or-later
// The one file in which `holond --controller` keeps what it was told, and from which the plugins in
// slurmctld learn it (docs/rpc.md has the format). The same objects travel in the nodes' reports.
// Everything is checked when it is read: a report comes from another host.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "select/placement/placement.h"

namespace holon::site {

inline constexpr std::size_t most_nodes = 65536, most_images = 1024, most_checkpoints = 65536,
                             most_partitions = 4096;
inline constexpr std::size_t longest_reason = 200;
inline constexpr std::size_t most_vms = 4096;

// What a node's holond says of itself.
struct NodeReport {
    std::string name;  // under which Slurm knows it
    bool healthy = true;
    std::string reason;  // one line, where it is not
    bool kvm = false;
    std::uint64_t huge_mb = 0;
    std::vector<std::string> cached, present;  // images: ready to boot; in the catalogue only
    bool operator==(const NodeReport&) const = default;
};

// What a node's holond says after a checkpoint was committed. No shapes: the job has none any more.
struct CheckpointReport {
    std::uint32_t job = 0;
    std::string id;  // its number, in decimal digits
    bool smp = false;
    std::string image;
    std::vector<placement::Shape> shapes;  // by VM
    std::uint32_t uid = 0;                 // of the job's user
    std::string folder;                    // of the job's checkpoints, absolute
    bool network = true;                   // the VMs have a private one
    bool operator==(const CheckpointReport&) const = default;
};

// What of Slurm's own configuration counts for jobs that can go on from checkpoints.
struct PartitionReport {
    std::string name;
    std::uint32_t grace_s = 0;  // GraceTime
    bool preempted = false;     // jobs of it can be
    bool operator==(const PartitionReport&) const = default;
};
struct SlurmReport {
    bool user_signal = false;        // PreemptParameters=send_user_signal
    bool append_by_default = false;  // JobFileAppend=1
    std::vector<PartitionReport> partitions;
    bool operator==(const SlurmReport&) const = default;
};

struct Snapshot {
    std::int64_t time = 0;  // seconds since the epoch, when it was written
    // All nodes had the time to report since the controller's daemon started: one that has not is
    // without it.
    bool settled = false;
    std::vector<NodeReport> nodes;
    std::vector<CheckpointReport> checkpoints;
    SlurmReport slurm;
};

nlohmann::json to_json(const NodeReport& report);
nlohmann::json to_json(const CheckpointReport& report);
std::string to_json(const Snapshot& snapshot);
// All three throw holon::Error with the key that is wrong.
NodeReport node_report(const nlohmann::json& json);
CheckpointReport checkpoint_report(const nlohmann::json& json);
Snapshot parse_snapshot(std::string_view text);

// The name of the file in controller.state_dir.
inline constexpr const char* snapshot_name = "snapshot.json";

}  // namespace holon::site
