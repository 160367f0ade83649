// SPDX-License-Identifier: GPL-2.0-or-later
// Host lists, CPU lists and stored plans of any content are read or refused; what was read can be
// written and read back.
#include <cstdint>
#include <cstdlib>

#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const auto names = holon::plan::expand_hostlist(text);
        if (names != holon::plan::expand_hostlist(holon::plan::compress_hostlist(names)))
            std::abort();
    } catch (const holon::Error&) {
    }
    try {
        holon::plan::expand_cpus_per_node(text);
    } catch (const holon::Error&) {
    }
    try {
        const auto plan = holon::plan::from_json(text);
        if (holon::plan::to_json(holon::plan::from_json(holon::plan::to_json(plan))) !=
            holon::plan::to_json(plan))
            std::abort();
    } catch (const holon::Error&) {
    }
    return 0;
}
