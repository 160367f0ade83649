// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/shadow/usage.h"

namespace holon::shadow {

void Usage::reset(std::size_t nodes) {
    cpus_.assign(nodes, 0);
    memory_mb_.assign(nodes, 0);
    held_.clear();
}

void Usage::rebuild(const Host& host) {
    reset(static_cast<std::size_t>(*host.node_count));
    if (*host.jobs == nullptr) return;
    void* const iterator = host.iterate(*host.jobs);
    while (const auto* job = static_cast<const job_record_t*>(host.next(iterator)))
        note(host, *job);
    host.end_iteration(iterator);
}

void Usage::note(const Host& host, const job_record_t& job) {
    forget(job.job_id);
    const std::uint32_t state = job.job_state & JOB_STATE_BASE;
    const bool runs = state == JOB_RUNNING;
    if ((!runs && state != JOB_SUSPENDED) || job.job_resrcs == nullptr) return;
    const job_resources_t& resources = *job.job_resrcs;
    if (resources.node_bitmap == nullptr || resources.cpus == nullptr) return;
    std::vector<Held> held;
    held.reserve(resources.nhosts);
    const bitoff_t size = host.size(resources.node_bitmap);
    std::uint32_t host_index = 0;
    for (bitoff_t node = 0; node < size && host_index < resources.nhosts; ++node) {
        if (host.test(resources.node_bitmap, node) == 0) continue;
        // a suspended job keeps its memory only
        Held one{static_cast<std::uint32_t>(node), runs ? resources.cpus[host_index] : 0u, 0};
        if (resources.memory_allocated != nullptr)
            one.memory_mb = resources.memory_allocated[host_index];
        ++host_index;
        if (one.node >= cpus_.size()) continue;  // a node that is new: rebuild() comes
        cpus_[one.node] += one.cpus;
        memory_mb_[one.node] += one.memory_mb;
        held.push_back(one);
    }
    held_.emplace(job.job_id, std::move(held));
}

void Usage::forget(std::uint32_t job_id) {
    const auto found = held_.find(job_id);
    if (found == held_.end()) return;
    for (const Held& one : found->second) {
        cpus_[one.node] -= one.cpus;
        memory_mb_[one.node] -= one.memory_mb;
    }
    held_.erase(found);
}

}  // namespace holon::shadow
