// SPDX-License-Identifier: GPL-2.0-or-later
// Packing VMs of several shapes: two quantities at once (CPUs and memory), so not a choice of
// counts. One greedy packing first, then a search that is complete for small problems.
#include <algorithm>

#include "select/placement/search.h"

namespace holon::placement {
namespace {

constexpr std::size_t most_kinds = 32;  // nodes that are looked at for each one that is opened
constexpr std::size_t most_vms_proven = 16;
constexpr std::size_t most_items_proven = 64;

}  // namespace

void Packer::reset() {
    cpus_.resize(items_.size());
    memory_.resize(items_.size());
    vms_.assign(items_.size(), 0);
    std::uint32_t domains = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
        cpus_[i] = nodes_[items_[i].node].free_cpus;
        memory_[i] = nodes_[items_[i].node].free_memory_mb;
        domains = std::max(domains, items_[i].domain + 1);
    }
    domain_nodes_.assign(domains, 0);
    used_ = domains_ = 0;
}

bool Packer::fits(std::uint32_t item, std::uint32_t shape) const {
    const Shape& wanted = request_->shapes[shape];
    return wanted.cpus <= cpus_[item] &&
           wanted.memory_mb + request_->vm_overhead_mb <= memory_[item];
}

// Both return what the set's cost rises or falls by.
std::uint64_t Packer::put(std::uint32_t item, std::uint32_t shape) {
    const Shape& wanted = request_->shapes[shape];
    cpus_[item] -= wanted.cpus;
    memory_[item] -= wanted.memory_mb + request_->vm_overhead_mb;
    at_[shape] = item;
    if (vms_[item]++ != 0) return 0;
    ++used_;
    std::uint64_t more = items_[item].cost;
    if (domain_nodes_[items_[item].domain]++ == 0 && ++domains_ > 1) more += domain_weight_;
    return more;
}

std::uint64_t Packer::take(std::uint32_t item, std::uint32_t shape) {
    const Shape& wanted = request_->shapes[shape];
    cpus_[item] += wanted.cpus;
    memory_[item] += wanted.memory_mb + request_->vm_overhead_mb;
    if (--vms_[item] != 0) return 0;
    --used_;
    std::uint64_t less = items_[item].cost;
    if (--domain_nodes_[items_[item].domain] == 0 && --domains_ > 0) less += domain_weight_;
    return less;
}

void Packer::keep(std::uint64_t cost) {
    if (cost >= best_cost_) return;
    best_cost_ = cost;
    best_ = at_;
}

// Which of the shapes that have no place yet ITEM would take, largest first; returns their CPUs,
// counting a VM without CPUs as one.
std::uint64_t Packer::fill(std::uint32_t item, std::vector<std::uint32_t>& shapes) const {
    shapes.clear();
    std::uint64_t cpus = cpus_[item], memory = memory_[item], taken = 0;
    for (std::uint32_t shape : order_) {
        const Shape& wanted = request_->shapes[shape];
        const std::uint64_t memory_mb = wanted.memory_mb + request_->vm_overhead_mb;
        if (at_[shape] != UINT32_MAX || wanted.cpus > cpus || memory_mb > memory) continue;
        cpus -= wanted.cpus;
        memory -= memory_mb;
        taken += std::max(wanted.cpus, 1u);
        shapes.push_back(shape);
    }
    return taken;
}

// Opens, one after the other, the node that takes most for its price.
void Packer::greedy() {
    std::uint64_t cost = 0;
    std::size_t placed = 0;
    const auto open = [&](std::uint32_t item) {
        fill(item, fill_);
        for (std::uint32_t shape : fill_) cost += put(item, shape);
        placed += fill_.size();
    };
    for (std::uint32_t item = 0; item < items_.size(); ++item)
        if (nodes_[items_[item].node].required) open(item);
    while (placed < order_.size()) {
        std::uint32_t best = UINT32_MAX;
        std::uint64_t most_taken = 0, price = 0;
        std::size_t looked = 0;
        const Item* before = nullptr;
        for (std::uint32_t item = 0; item < items_.size() && looked < most_kinds; ++item) {
            if (vms_[item] != 0) continue;
            const Item& now = items_[item];
            // One of each kind; where memory differs as well, this sees a part of them only.
            if (before != nullptr && before->cost == now.cost && before->capacity == now.capacity &&
                before->domain == now.domain &&
                nodes_[before->node].free_memory_mb == nodes_[now.node].free_memory_mb)
                continue;
            before = &now;
            ++looked;
            const std::uint64_t taken = fill(item, fill_);
            const std::uint64_t its =
                now.cost + 1 +
                (domains_ != 0 && domain_nodes_[now.domain] == 0 ? domain_weight_ : 0);
            if (taken != 0 && (best == UINT32_MAX || taken * price > most_taken * its))
                best = item, most_taken = taken, price = its;
        }
        if (best == UINT32_MAX || used_ == most_) return;
        open(best);
    }
    spread(cost);
    bool required = true;
    for (std::uint32_t item = 0; item < items_.size(); ++item)
        required = required && (!nodes_[items_[item].node].required || vms_[item] != 0);
    if (used_ >= least_ && used_ <= most_ && required) keep(cost);
}

// Fewer nodes than asked for: VMs move out of shared nodes into others, the cheapest first.
void Packer::spread(std::uint64_t& cost) {
    for (std::uint32_t item = 0; item < items_.size() && used_ < least_; ++item) {
        if (vms_[item] != 0) continue;
        for (std::uint32_t shape : order_) {
            if (vms_[at_[shape]] < 2 || !fits(item, shape)) continue;
            cost -= take(at_[shape], shape);
            cost += put(item, shape);
            break;
        }
    }
}

// Complete as far as the steps go: each shape, from the largest on, in each node. Equal shapes are
// placed in rising order of nodes.
void Packer::search(std::size_t next, std::uint64_t cost) {
    if (*steps_ == 0) return;
    --*steps_;
    if (cost >= best_cost_ || used_ > most_) return;
    if (next == order_.size()) {
        for (std::uint32_t item = 0; item < items_.size(); ++item)
            if (nodes_[items_[item].node].required && vms_[item] == 0) return;
        if (used_ >= least_) keep(cost);
        return;
    }
    if (used_ + (order_.size() - next) < least_) return;
    const std::uint32_t shape = order_[next];
    std::uint32_t from = 0;
    if (next != 0 && request_->shapes[order_[next - 1]] == request_->shapes[shape])
        from = at_[order_[next - 1]];
    for (std::uint32_t item = from; item < items_.size(); ++item) {
        if (!fits(item, shape)) continue;
        const std::uint64_t more = put(item, shape);
        search(next + 1, cost + more);
        take(item, shape);
    }
}

bool Packer::pack(std::span<const Node> nodes, std::span<const Item> items, const Request& request,
                  std::uint32_t least, std::uint32_t most, std::uint32_t domain_weight,
                  std::uint64_t cheaper_than, std::uint32_t& steps) {
    nodes_ = nodes;
    items_ = items;
    request_ = &request;
    least_ = least;
    most_ = most;
    domain_weight_ = domain_weight;
    best_cost_ = cheaper_than;
    steps_ = &steps;
    order_.resize(request.shapes.size());
    for (std::uint32_t i = 0; i < order_.size(); ++i) order_[i] = i;
    std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
        const Shape &one = request.shapes[a], &other = request.shapes[b];
        if (one.cpus != other.cpus) return one.cpus > other.cpus;
        if (one.memory_mb != other.memory_mb) return one.memory_mb > other.memory_mb;
        return a < b;
    });
    reset();
    at_.assign(order_.size(), UINT32_MAX);
    greedy();
    if (order_.size() <= most_vms_proven && items_.size() <= most_items_proven) {
        reset();
        search(0, 0);
    }
    return best_cost_ < cheaper_than;
}

}  // namespace holon::placement
