// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/placement.h"

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/space.h"

namespace holon::ssi {
/// Of equals the one with the lowest number, so that a program with one thread more than fits goes
/// round.
std::uint32_t emptiest(const CpuMask& mask) {
    std::uint32_t best = 0, best_cpus = 0, first = 0;
    for (std::uint32_t node = 0; node < process.nodes; first += process.node_cpus[node++]) {
        if ((process.nodes_up >> node & 1) == 0) continue;
        const std::uint32_t cpus = mask.count_in(first, process.node_cpus[node]);
        if (cpus == 0) continue;
        // threads / cpus, compared without division
        if (best_cpus == 0 ||
            process.threads_on[node] * best_cpus < process.threads_on[best] * cpus) {
            best = node;
            best_cpus = cpus;
        }
    }
    return best;
}

bool may_leave() { return !process.pinned && (process.flags & Parameters::home_only) == 0; }

void place_thread(Thread* thread) {
    std::uint32_t node = 0;
    if (may_leave() && space::arm()) {
        {
            Holding held(process.thread_lock);
            node = emptiest(thread->allowed);
        }
        if (node != 0 && !space::start_body(node)) node = 0;
    }
    Holding held(process.thread_lock);
    if (process.pinned) node = 0;
    thread->node = node;
    thread->number = process.next_number++;
    ++process.threads_on[node];
    ++process.live_threads;
    thread->cpu = affinity::first_cpu_on(thread, node);
    if (affinity::cpus_on(thread, node) == 0) thread->allowed = affinity::existing();
}

bool unplace_thread(Thread* thread) {
    Holding held(process.thread_lock);
    --process.threads_on[thread->node];
    return --process.live_threads == 0;
}

}  // namespace holon::ssi
