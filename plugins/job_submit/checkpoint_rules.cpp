// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/checkpoint_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "plugins/os/error.h"

namespace holon::job_submit {
namespace {

constexpr std::uint32_t longest_warning_s =
    65533;  // Slurm has 16 bits for it, and two values of them for itself

}  // namespace

std::uint32_t save_seconds(std::uint64_t memory_mb, const SavingSite& site) {
    const std::uint64_t rate =
        std::max<std::uint64_t>(site.save_mb_per_s, 1) * std::max(site.nodes, 1u);
    const std::uint64_t seconds = site.stop_s + (memory_mb + rate - 1) / rate;
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(seconds, UINT32_MAX));
}

bool wishes_truncate(const Life& life, const SavingSite& site) {
    return life.open_mode == OpenMode::truncate ||
           (life.open_mode == OpenMode::unset && !site.append_by_default);
}

void check_before(const Life& life) {
    if (life.save_before_s == 0) return;
    if (!life.batch)
        throw Error(
            "--vm-checkpoint-before: for sbatch only, because it is a batch script that goes on");
    if (life.script_on_host)
        throw Error(
            "--vm-checkpoint-before: a script that runs on the host (--no-vm) cannot go on");
    if (life.signal != 0)
        throw Error(
            "--vm-checkpoint-before and --signal: Slurm warns a job once before its time limit; "
            "leave one of them out");
}

Saving saving_of(const Life& life, const std::vector<PartitionGrace>& partitions,
                 const SavingSite& site) {
    Saving saving;
    if (life.requeue != true) saving.requeue = true;
    saving.wished_no_requeue = life.requeue == false;
    // slurmstepd truncates the output of a batch job that starts again; interactive ones have none.
    if (life.batch) {
        if (life.open_mode != OpenMode::append) saving.open_mode = OpenMode::append;
        saving.wished_truncate = wishes_truncate(life, site);
    }
    const std::uint32_t needed = save_seconds(life.memory_mb, site);
    bool preempted = false;
    for (const PartitionGrace& partition : partitions) {
        if (!partition.preempted) continue;
        preempted = true;
        if (partition.grace_s < needed)
            saving.warnings.push_back(fmt::format(
                "partition {}: its GraceTime of {} s is shorter than the {} s it may take to save "
                "{}; a job that is preempted there may lose what it did since its last checkpoint",
                partition.name, partition.grace_s, needed,
                life.memory_mb != 0 ? fmt::format("{}M", life.memory_mb) : "the job"));
    }
    // Grace's SIGTERM does not reach the batch step: only --signal=B: does, where it is sent at
    // all. Otherwise preemption is learned from the end of the extern step.
    if (!life.batch || life.script_on_host) return saving;
    if (life.signal != 0) {
        if (life.signal_batch) {
            saving.warn_signal = life.signal;
            saving.warn_before_s = life.signal_before_s;
        }
    } else if (life.save_before_s != 0 || (preempted && site.user_signal_sent)) {
        const std::uint32_t before = life.save_before_s != 0 ? life.save_before_s : needed;
        saving.signal = Saving::Signal{site.preempt_signal, std::min(before, longest_warning_s)};
        saving.warn_signal = site.preempt_signal;
        saving.warn_before_s = saving.signal->before_s;
    }
    return saving;
}

}  // namespace holon::job_submit
