// SPDX-License-Identifier: GPL-2.0-or-later
// Any text is either a configuration, which then can be used, or one Error.
#include <cstddef>
#include <cstdint>

#include "plugins/config/config.h"
#include "plugins/os/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto config =
            holon::config::parse({reinterpret_cast<const char*>(data), size}, "holon.yaml");
        holon::plan::parse_subnet(config.sizing().subnet);
        holon::config::describe(config);
    } catch (const holon::Error&) {
    }
    return 0;
}
