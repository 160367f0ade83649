// SPDX-License-Identifier: GPL-2.0-or-later
// What the select plugin does beside forwarding: for a job with a spec it asks the placement which
// nodes would be good, and offers those to the stock plugin first. The same code for every release;
// abi_*.cpp have the entry points.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

#include "select/shadow/host.h"

namespace holon::shadow {

// One call of the stock plugin's job_test for the job at hand: with NODES in place of the caller's
// bitmap (both ways), and with or without the jobs that may be preempted.
class StockTest {
  public:
    template <typename F>
    StockTest(const F& call)  // NOLINT(google-explicit-constructor): a reference, no copy
        : context_(&call), call_([](const void* context, bitstr_t* nodes, bool preempt) {
              return (*static_cast<const F*>(context))(nodes, preempt);
          }) {}
    int operator()(bitstr_t* nodes, bool preempt) const { return call_(context_, nodes, preempt); }

  private:
    const void* context_;
    int (*call_)(const void*, bitstr_t*, bool);
};

struct Test {
    job_record_t* job;
    bitstr_t* nodes;
    std::uint32_t min_nodes, max_nodes, wanted_nodes;
    std::uint16_t mode;
};

// All are called under slurmctld's locks, from C: none throws, none waits. They do nothing where
// the process is not slurmctld.

// Loads the stock plugin; SLURM_ERROR, and a line in the log, where that cannot be.
int start();
void stop();
// The answer to job_test. Always ends in what the stock plugin says, of the nodes offered.
int job_test(const Test& test, const StockTest& stock);
// After the stock plugin was told the same.
void nodes_changed();  // the table of nodes is another one
void jobs_changed();   // all of them are to be read anew
void job_changed(const job_record_t* job);
void job_ended(const job_record_t* job);

}  // namespace holon::shadow
