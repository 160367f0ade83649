// SPDX-License-Identifier: GPL-2.0-or-later
// Which runs of a job an epilog ends. Slurm tells the epilog a restart count, but the one that the
// job has by then: of a job that is requeued it is already the next run's. And an epilog may come
// late, when the next run is under way on the same node.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace holon::node {

// What is left of Slurm's job container: nothing was told of it yet, a process of it lives, all
// that was known of it has ended. All steps of a run have ended before its epilog.
enum class Container { unknown, alive, ended };

struct KnownRun {
    std::uint32_t restart = 0;
    Container container = Container::unknown;
};

// The restart counts of those of KNOWN (of one job, in any order) that an epilog ends. TOLD is the
// count it was told, nullopt where Slurm told none.
std::vector<std::uint32_t> ended_runs(const std::vector<KnownRun>& known,
                                      std::optional<std::uint32_t> told);

}  // namespace holon::node
