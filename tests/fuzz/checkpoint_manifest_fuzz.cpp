// SPDX-License-Identifier: GPL-2.0-or-later
// A manifest of any content is read or refused with one line; what was read can be written and read
// back. The checksum would keep all changed input out, so it is put right first.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "plugins/checkpoint/digest.h"
#include "plugins/checkpoint/manifest.h"
#include "plugins/os/error.h"

namespace {

void read(std::string_view text) {
    namespace checkpoint = holon::checkpoint;
    try {
        const std::string written = checkpoint::to_json(checkpoint::from_json(text));
        if (checkpoint::to_json(checkpoint::from_json(written)) != written) std::abort();
    } catch (const holon::Error& error) {
        if (std::strchr(error.what(), '\n') != nullptr) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    read(text);
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return 0;
    try {
        json.erase("check");
        json["check"] = holon::checkpoint::xxh3(json.dump());
        read(json.dump());
    } catch (const nlohmann::json::exception&) {
        // Not UTF-8: it cannot be written as JSON.
    }
    return 0;
}
