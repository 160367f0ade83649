// SPDX-License-Identifier: GPL-2.0-or-later
// Facts: one state of what slurmctld's plugins know of the site. Pure data: made by site.h's thread
// (or by a test), then only read, by any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "select/placement/placement.h"
#include "select/site/snapshot.h"
#include "select/site/topology.h"

namespace holon::site {

// How a node has one of the images.
struct NodeImage {
    std::uint32_t image = 0;  // index into Facts::images
    bool cached = false;
};

struct NodeFacts {
    std::string name;
    placement::Health health = placement::Health::unknown;
    std::string reason;  // why it is broken
    bool kvm = true;
    std::uint64_t free_huge_mb = 0;
    std::vector<NodeImage> images;  // by image
};

// One state of knowledge. Never changes; a newer one replaces it.
struct Facts {
    // Counts up with every change, from 1: whoever keeps something derived (by Slurm's node
    // numbers, say) makes it again when this differs.
    std::uint64_t generation = 0;
    // The snapshot was read and is fresh. False: place VM jobs as stock Slurm does.
    bool known = false;
    // All nodes had time to report: one without facts has no (working) holond.
    bool settled = false;
    std::vector<std::string> images;
    std::vector<NodeFacts> nodes;
    std::unordered_map<std::string, std::uint32_t> node_by_name;    // into nodes
    std::unordered_map<std::string, std::uint32_t> domain_by_name;  // latency domain; 0 elsewhere
    std::vector<std::string> domains = {""};  // names; 0 is that of nodes in none
    std::unordered_map<std::uint32_t, CheckpointReport> checkpoints;  // newest, by job id
    SlurmReport slurm;
    placement::Weights cluster = placement::cluster_weights, smp = placement::smp_weights;
    std::size_t most_candidates = 4;
    bool needs_kvm = false;               // vm.accelerator: kvm
    std::uint64_t memory_reserve_mb = 0;  // of QEMU, per VM

    // nullptr where nothing is known of it.
    const NodeFacts* node(std::string_view name) const;
    std::uint32_t domain(std::string_view name) const;
    // absent_image: no node has it. A path (a user's file) counts as any_image: not to be asked
    // for.
    std::int64_t image(std::string_view name) const;
    const CheckpointReport* checkpoint(std::uint32_t job) const;
};

// What image() says where no node has it; what a request for a user's own file is filled with.
inline constexpr std::int64_t absent_image = -1, any_image = -2;

// Sets health, image, kvm and huge pages of OUT for a request of image number IMAGE; the rest is
// the caller's. NODE is null where FACTS has nothing of it: then it is unknown, or broken once all
// nodes had time to report.
void fill(placement::Node& out, const Facts& facts, const NodeFacts* node, std::int64_t image);

// Both fill empty FACTS.
void add_snapshot(Facts& facts, const Snapshot& snapshot);
void add_domains(Facts& facts, const std::vector<Domain>& domains);

}  // namespace holon::site
