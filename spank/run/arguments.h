// SPDX-License-Identifier: GPL-2.0-or-later
// What spank_holon.so tells holon-run: which task of which step it stands for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace holon::run {

struct Arguments {
    std::string socket;  // holond's
    std::uint32_t job = 0;
    std::string step;  // "batch", "interactive", or the step's number
    std::uint32_t task = 0, local_task = 0, local_tasks = 1;
    std::vector<std::string> program;
    bool help = false;

    bool batch() const { return step == "batch"; }
    // One task of the step speaks for all of them while the VMs boot.
    bool speaks() const { return task == 0; }
};

// Throws holon::Error.
Arguments parse_arguments(int count, char** values);
extern const char* const usage;

}  // namespace holon::run
