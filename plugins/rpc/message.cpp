// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::rpc {

std::string frame(std::string_view json) {
    if (json.size() > max_message) throw Error("a message of {} bytes is too long", json.size());
    auto size = static_cast<std::uint32_t>(json.size());
    std::string out{static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                    static_cast<char>(size >> 8), static_cast<char>(size)};
    out += json;
    return out;
}

bool unframe(std::string& buffer, std::string& message) {
    if (buffer.size() < 4) return false;
    std::uint32_t size = 0;
    for (int i = 0; i < 4; ++i)
        size = size << 8 | static_cast<unsigned char>(buffer[static_cast<size_t>(i)]);
    if (size > max_message) throw Error("a message of {} bytes is too long", size);
    if (buffer.size() < 4 + size_t{size}) return false;
    message = buffer.substr(4, size);
    buffer.erase(0, 4 + size_t{size});
    return true;
}

nlohmann::json parse(std::string_view text) {
    constexpr int deepest = 32;
    bool too_deep = false;
    auto watch = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        too_deep = too_deep || depth > deepest;
        return !too_deep;
    };
    auto json = nlohmann::json::parse(text, watch, false);
    return too_deep ? nlohmann::json(nlohmann::json::value_t::discarded) : json;
}

}  // namespace holon::rpc
