// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/placement.h"

#include "ssi/runtime/parameters.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/space.h"

namespace holon::ssi {
namespace {

/// The node with the fewest of this process's threads per CPU; of equals the one with the lowest
/// number, so that a program with one thread more than fits goes round.
std::uint32_t emptiest() {
    std::uint32_t best = 0;
    for (std::uint32_t node = 1; node < process.nodes; ++node) {
        if (process.node_cpus[node] == 0) continue;
        // threads / cpus, compared without division
        if (process.threads_on[node] * process.node_cpus[best] <
            process.threads_on[best] * process.node_cpus[node])
            best = node;
    }
    return best;
}

bool may_leave() { return !process.pinned && (process.flags & Parameters::home_only) == 0; }

}  // namespace

void place_thread(Thread* thread) {
    std::uint32_t node = 0;
    if (may_leave() && space::arm()) {
        {
            Holding held(process.thread_lock);
            node = emptiest();
        }
        if (node != 0 && !space::start_body(node)) node = 0;
    }
    Holding held(process.thread_lock);
    if (process.pinned) node = 0;
    thread->node = node;
    thread->number = process.next_number++;
    ++process.threads_on[node];
    ++process.live_threads;
    std::uint32_t cpu = 0;
    for (std::uint32_t i = 0; i < node; ++i) cpu += process.node_cpus[i];
    thread->cpu = cpu;
}

bool unplace_thread(Thread* thread) {
    Holding held(process.thread_lock);
    --process.threads_on[thread->node];
    return --process.live_threads == 0;
}

}  // namespace holon::ssi
