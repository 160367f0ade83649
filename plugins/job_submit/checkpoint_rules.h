// SPDX-License-Identifier: GPL-2.0-or-later
// What a job that is to be checkpointed needs of Slurm: to be requeued and not cancelled, its
// output file to be gone on with, enough grace to be saved in, and to be told before it is
// preempted. Pure: the job's and the partitions' settings go in, what to set and what to say comes
// out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace holon::job_submit {

enum class OpenMode { unset, append, truncate };

// As the user gave them.
struct Life {
    std::optional<bool> requeue;  // --requeue, --no-requeue
    OpenMode open_mode = OpenMode::unset;
    bool batch = false;
    bool script_on_host = false;  // --no-vm: nobody in the VMs is told what the script is
    std::uint32_t signal = 0;     // --signal; 0: none
    bool signal_batch = false;    // --signal=B:…
    std::uint32_t signal_before_s = 0;
    std::uint32_t save_before_s = 0;  // --vm-checkpoint-before; 0: not
    std::uint64_t memory_mb = 0;      // of all its VMs; 0: not known
};

struct PartitionGrace {
    std::string name;
    std::uint32_t grace_s = 0;  // GraceTime
    bool preempted = false;     // jobs of it can be preempted
};

struct SavingSite {
    std::uint64_t save_mb_per_s = 500;  // of one node, measured or set
    std::uint32_t nodes = 1;            // that save at the same time
    std::uint32_t stop_s = 2;           // until all VMs stand at the cut
    std::uint32_t preempt_signal = 10;  // SIGUSR1, which holon-run takes for itself
    bool user_signal_sent = false;      // PreemptParameters=send_user_signal, or its like
    bool append_by_default = false;     // JobFileAppend=1
};

// What is to be set (nullopt: as it is), what the user had wished, and one line for each warning.
struct Saving {
    std::optional<bool> requeue;
    std::optional<OpenMode> open_mode;
    struct Signal {
        std::uint32_t number = 0;
        std::uint32_t before_s = 0;
        bool operator==(const Signal&) const = default;
    };
    std::optional<Signal> signal;  // with B:, where the user has none
    // That the script gets, the user's or ours, and how long before the time limit; 0: none.
    std::uint32_t warn_signal = 0, warn_before_s = 0;
    bool wished_no_requeue = false;  // then a failed restart cancels the job
    bool wished_truncate = false;    // then a run that starts anew truncates
    std::vector<std::string> warnings;
};

// Throws holon::Error where a job cannot be saved before its time limit.
void check_before(const Life& life);
// True where the output files of a run that begins are to be emptied.
bool wishes_truncate(const Life& life, const SavingSite& site);
std::uint32_t save_seconds(std::uint64_t memory_mb, const SavingSite& site);
Saving saving_of(const Life& life, const std::vector<PartitionGrace>& partitions,
                 const SavingSite& site);

}  // namespace holon::job_submit
