// SPDX-License-Identifier: GPL-2.0-or-later
//
// The runtime's file, as ssid parses it.
#include <cstddef>
#include <cstdint>

#include "plugins/os/error.h"
#include "ssi/inject/runtime_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        holon::ssi::inject::parse_runtime({reinterpret_cast<const std::byte*>(data), size});
    } catch (const holon::Error&) {
    }
    return 0;
}
