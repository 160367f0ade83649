// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/checkpoint_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace holon::job_submit {

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
        if (life.memory_mb != 0 && partition.grace_s < needed)
            saving.warnings.push_back(fmt::format(
                "partition {}: its GraceTime of {} s is shorter than the {} s it takes to save "
                "{}M; "
                "a job that is preempted there may lose what it did since its last checkpoint",
                partition.name, partition.grace_s, needed, life.memory_mb));
    }
    if (!preempted || !life.batch) return saving;
    // Grace's SIGTERM does not reach the batch step: only --signal=B: does, where it is sent at
    // all.
    if (!site.user_signal_sent) {
        saving.warnings.push_back(
            "jobs are not told that they are preempted; set "
            "PreemptParameters=send_user_signal in slurm.conf");
    } else if (life.signal == 0) {
        saving.signal = Saving::Signal{site.preempt_signal, needed};
    } else if (!life.signal_batch || life.signal != site.preempt_signal) {
        saving.warnings.push_back(
            "--signal: as it is, preemption does not tell the job's VMs to be saved; leave it out, "
            "or give --signal=B:USR1");
    }
    return saving;
}

}  // namespace holon::job_submit
