// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/epilog.h"

#include <algorithm>

namespace holon::node {

std::vector<std::uint32_t> ended_runs(const std::vector<KnownRun>& known,
                                      std::optional<std::uint32_t> told) {
    std::uint32_t newest = 0;
    for (const auto& run : known) newest = std::max(newest, run.restart);
    std::vector<std::uint32_t> ended;
    for (const auto& run : known) {
        if (told && run.restart > *told) continue;
        // A run that is followed by another has ended, whatever is known of it. The newest has not
        // while a process of it lives; where it has none yet, the epilog is the earlier run's, if
        // one is still here.
        bool has = run.restart < newest || run.container == Container::ended ||
                   (run.container == Container::unknown && known.size() == 1);
        if (has) ended.push_back(run.restart);
    }
    return ended;
}

}  // namespace holon::node
