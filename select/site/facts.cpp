// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/site/facts.h"

#include <algorithm>

namespace holon::site {

const NodeFacts* Facts::node(std::string_view name) const {
    const auto found = node_by_name.find(std::string(name));
    return found == node_by_name.end() ? nullptr : &nodes[found->second];
}

std::uint32_t Facts::domain(std::string_view name) const {
    const auto found = domain_by_name.find(std::string(name));
    return found == domain_by_name.end() ? 0 : found->second;
}

std::int64_t Facts::image(std::string_view name) const {
    const auto found = std::find(images.begin(), images.end(), name);
    return found == images.end() ? absent_image : found - images.begin();
}

const CheckpointReport* Facts::checkpoint(std::uint32_t job) const {
    const auto found = checkpoints.find(job);
    return found == checkpoints.end() ? nullptr : &found->second;
}

void fill(placement::Node& out, const Facts& facts, const NodeFacts* node, std::int64_t image) {
    using placement::Health;
    using placement::ImageState;
    if (node == nullptr) {
        out.health = facts.settled ? Health::broken : Health::unknown;
        out.image = ImageState::cached;
        out.kvm = true;
        out.free_huge_mb = 0;
        return;
    }
    out.health = node->health;
    out.kvm = node->kvm;
    out.free_huge_mb = node->free_huge_mb;
    out.image = image == any_image ? ImageState::cached : ImageState::absent;
    if (image < 0) return;
    for (const NodeImage& one : node->images)
        if (one.image == image) {
            out.image = one.cached ? ImageState::cached : ImageState::present;
            return;
        }
}

void add_snapshot(Facts& facts, const Snapshot& snapshot) {
    facts.known = true;
    facts.settled = snapshot.settled;
    facts.slurm = snapshot.slurm;
    std::unordered_map<std::string, std::uint32_t> number;
    const auto image = [&](const std::string& name) {
        const auto [at, fresh] =
            number.emplace(name, static_cast<std::uint32_t>(facts.images.size()));
        if (fresh) facts.images.push_back(name);
        return at->second;
    };
    facts.nodes.reserve(snapshot.nodes.size());
    for (const NodeReport& report : snapshot.nodes) {
        NodeFacts node;
        node.name = report.name;
        node.health = report.healthy ? placement::Health::good : placement::Health::broken;
        node.reason = report.reason;
        node.kvm = report.kvm;
        node.free_huge_mb = report.huge_mb;
        for (const auto& name : report.present) node.images.push_back({image(name), false});
        for (const auto& name : report.cached) node.images.push_back({image(name), true});
        std::sort(node.images.begin(), node.images.end(), [](NodeImage a, NodeImage b) {
            return a.image != b.image ? a.image < b.image : a.cached > b.cached;
        });
        facts.node_by_name.insert_or_assign(node.name,
                                            static_cast<std::uint32_t>(facts.nodes.size()));
        facts.nodes.push_back(std::move(node));
    }
    for (const CheckpointReport& report : snapshot.checkpoints)
        facts.checkpoints.insert_or_assign(report.job, report);
}

void add_domains(Facts& facts, const std::vector<Domain>& domains) {
    for (const Domain& domain : domains) {
        const auto number = static_cast<std::uint32_t>(facts.domains.size());
        facts.domains.push_back(domain.name);
        for (const auto& node : domain.nodes) facts.domain_by_name.emplace(node, number);
    }
}

}  // namespace holon::site
