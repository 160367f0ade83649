// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/members.h"

#include "plugins/os/error.h"
#include "ssi/daemon/machine.h"

namespace holon::ssi::daemon {

Members::Members(std::string home_name, std::string home_address, std::uint32_t home_cpus,
                 Digest runtime, Machine machine)
    : runtime_(runtime), machine_(machine) {
    nodes_.push_back(
        Node{{0, std::move(home_name), std::move(home_address), home_cpus, true}, {}, {}});
}

std::uint32_t Members::place(const Join& join, const Endpoint& from) const {
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
        if (!nodes_[i] || nodes_[i]->info.name != join.name) continue;
        // The daemon that had the name may have died unnoticed, if its machine did.
        if (i == 0 || (nodes_[i]->info.up && nodes_[i]->instance != join.instance &&
                       !nodes_[i]->endpoint.same_host(from)))
            throw Error("a node named {} is already here, at {}; give this one another --name",
                        join.name, nodes_[i]->info.address);
        return i;
    }
    if (join.wanted != 0 && (join.wanted >= nodes_.size() || !nodes_[join.wanted]))
        return join.wanted;
    for (std::uint32_t i = 1; i < nodes_.size(); ++i)
        if (!nodes_[i]) return i;
    return static_cast<std::uint32_t>(nodes_.size());
}

std::uint32_t Members::join(const Join& join, const Endpoint& from) {
    if (join.runtime != runtime_)
        throw Error("its ssi-runtime is another build: install the same on all nodes");
    if (const std::string differs = difference(machine_, join.machine); !differs.empty())
        throw Error("its processor is another: {}", differs);
    const std::lock_guard lock(mutex_);
    const std::uint32_t number = place(join, from);
    if (number >= max_nodes) throw Error("the partition is full, it has {} nodes", max_nodes);
    if (number >= nodes_.size()) nodes_.resize(number + 1);
    nodes_[number] = Node{{number, join.name, from.text(), join.cpus, true}, from, join.instance};
    return number;
}

bool Members::is_current(std::uint32_t number, const Digest& instance) const {
    const std::lock_guard lock(mutex_);
    return number < nodes_.size() && nodes_[number] && nodes_[number]->info.up &&
           nodes_[number]->instance == instance;
}

void Members::lost(std::uint32_t number, const Digest& instance) {
    const std::lock_guard lock(mutex_);
    if (number < nodes_.size() && nodes_[number] && nodes_[number]->instance == instance)
        nodes_[number]->info.up = false;
}

std::vector<MemberInfo> Members::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<MemberInfo> members;
    for (const auto& node : nodes_)
        if (node) members.push_back(node->info);
    return members;
}

std::uint32_t Members::count() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::uint32_t>(nodes_.size());
}

std::optional<Endpoint> Members::endpoint(std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    if (number == 0 || number >= nodes_.size() || !nodes_[number] || !nodes_[number]->info.up)
        return std::nullopt;
    return nodes_[number]->endpoint;
}

}  // namespace holon::ssi::daemon
