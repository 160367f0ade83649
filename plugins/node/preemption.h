// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "plugins/node/run.h"
#include "plugins/node/slurm_job.h"

namespace holon::node {

// no: not that we know. ended: saved, and Slurm was told to requeue the job.
enum class Preempted { no, saving, saved, ended, failed };

// Preemption: what a job that can be gone on with does when Slurm wants its nodes back. Slurm does
// not say so to a job's nodes: it sends signals, each of which may mean something else. So the head
// asks the controller about its own job, once for each hint: the signal that warns the batch script
// (--signal=B:), or the end of the extern step while the job's tasks run. If the job is preempted
// its VMs are saved and stand from the cut on, for what they did would be done again; a batch job
// is then requeued at once. What the head has found out is in its view for the other nodes, where
// tasks may hold back a signal until it is known what it means.
class Preemption {
  public:
    Preemption(Daemon& daemon, Run& run) : daemon_(daemon), run_(run) {}

    // On the head, as long as RUN lives.
    Task<void> watch(std::shared_ptr<Run> run);
    // Which signals a task of STEP is to tell of, as in the answer to `session` (docs/rpc.md).
    nlohmann::json warned_by(const std::string& step) const;
    // A task of SESSION was sent the signal NUMBER; tells it what is to become of it.
    // SESSION, whose id is ID, may be gone by then.
    Task<void> answer(std::shared_ptr<Run> run, Session* session, std::uint64_t id, int number,
                      bool held);

    // On the head: saves the job and has Slurm requeue it, so that its nodes are free. The number
    // of the checkpoint. Throws where it cannot; then the job runs on.
    Task<std::uint32_t> leave(std::shared_ptr<Run> run);

    nlohmann::json view() const;
    void head_says(const nlohmann::json& view);  // elsewhere

  private:
    Daemon& daemon_;
    Run& run_;
    Preempted state_ = Preempted::no;
    // Hints are numbered; up to ANSWERED_ they were looked into, up to INNOCENT_ Slurm had
    // announced nothing.
    std::uint64_t hints_ = 0, answered_ = 0, innocent_ = 0;

    std::uint64_t hint();
    Task<void> watch_extern_step(std::shared_ptr<Run> run);
    // Asks Slurm what it has announced, and sees to it. True: nothing. Throws where Slurm does not
    // say.
    Task<bool> heed();
    Task<void> pause(std::shared_ptr<Run> run, Clock::duration length);
    Task<std::shared_ptr<Cut>> save_to_end();
    Task<void> save(SlurmJob job);
    Task<void> save_before_limit(SlurmJob job);
    Task<void> saved(SlurmJob job, std::shared_ptr<Cut> cut);
    void become(Preempted state);
};

}  // namespace holon::node
