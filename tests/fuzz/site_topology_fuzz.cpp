// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdint>

#include "plugins/os/error.h"
#include "select/site/topology.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    holon::site::parse_topology(text);
    try {
        holon::site::parse_domain(text);
    } catch (const holon::Error&) {
    }
    return 0;
}
