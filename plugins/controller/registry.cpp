// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/controller/registry.h"

#include <fmt/format.h>

namespace holon::controller {
namespace {

constexpr std::int64_t heartbeats_missed = 4;  // then a node is silent
constexpr std::int64_t heartbeats_to_settle = 3;

}  // namespace

Registry::Registry(std::int64_t heartbeat_s, std::int64_t now)
    : heartbeat_s_(heartbeat_s), started_(now) {}

void Registry::restore(const site::Snapshot& snapshot, std::int64_t now) {
    for (const auto& node : snapshot.nodes) {
        Known known{node, now, false};
        // Silence is found out anew.
        if (!node.healthy && node.reason.starts_with("holond is silent"))
            known.report.healthy = true, known.report.reason.clear();
        nodes_.insert_or_assign(node.name, std::move(known));
    }
    slurm_ = snapshot.slurm;
    for (const auto& checkpoint : snapshot.checkpoints)
        checkpoints_.insert_or_assign(checkpoint.job, checkpoint);
}

bool Registry::report(site::NodeReport report, std::int64_t now) {
    Known& known = nodes_[report.name];
    const bool changed = known.silent || !(known.report == report);
    known.report = std::move(report);
    known.heard = now;
    known.silent = false;
    return changed;
}

bool Registry::report(site::CheckpointReport report) {
    if (report.shapes.empty()) return checkpoints_.erase(report.job) != 0;
    if (checkpoints_.size() >= site::most_checkpoints && !checkpoints_.contains(report.job))
        checkpoints_.erase(checkpoints_.begin());  // the oldest job's
    auto& known = checkpoints_[report.job];
    if (known == report) return false;
    known = std::move(report);
    return true;
}

bool Registry::report(site::SlurmReport report) {
    if (slurm_ == report) return false;
    slurm_ = std::move(report);
    return true;
}

void Registry::forget(const std::string& node) { nodes_.erase(node); }

bool Registry::tick(std::int64_t now) {
    bool changed = false;
    for (auto& [name, known] : nodes_) {
        const bool silent = now - known.heard > heartbeats_missed * heartbeat_s_;
        changed = changed || silent != known.silent;
        known.silent = silent;
    }
    const bool settled = now - started_ >= heartbeats_to_settle * heartbeat_s_;
    changed = changed || settled != settled_;
    settled_ = settled;
    return changed;
}

site::NodeReport Registry::as_seen(const Known& known) const {
    site::NodeReport report = known.report;
    if (known.silent) {
        report.healthy = false;
        report.reason = fmt::format("holond is silent for over {} s: is it running?",
                                    heartbeats_missed * heartbeat_s_);
    }
    return report;
}

site::Snapshot Registry::snapshot(std::int64_t now) const {
    site::Snapshot snapshot;
    snapshot.time = now;
    snapshot.settled = settled_;
    for (const auto& [name, known] : nodes_) snapshot.nodes.push_back(as_seen(known));
    snapshot.slurm = slurm_;
    for (const auto& [job, checkpoint] : checkpoints_) snapshot.checkpoints.push_back(checkpoint);
    return snapshot;
}

std::map<std::string, std::string> Registry::comments() const {
    std::map<std::string, std::string> comments;
    for (const auto& [name, known] : nodes_) {
        const auto seen = as_seen(known);
        comments[name] =
            seen.healthy ? "" : fmt::format("{}no VM jobs here: {}", comment_prefix, seen.reason);
    }
    return comments;
}

}  // namespace holon::controller
