// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/open_request.h"

#include <nlohmann/json.hpp>

namespace holon::run {

std::string base64(std::string_view bytes) {
    static constexpr char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k)
            group = group << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; ++k)
            out += k <= have ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

std::string to_json(const OpenRequest& request) {
    auto number = [](const std::optional<std::uint64_t>& value) {
        return value ? nlohmann::json(*value) : nlohmann::json(-1);
    };
    nlohmann::json limits = nlohmann::json::object();
    for (const auto& [name, limit] : request.limits)
        limits[name] = {number(limit.first), number(limit.second)};
    nlohmann::json json = {{"argv", request.argv}, {"env", request.environment},
                           {"cwd", request.cwd},   {"umask", request.umask},
                           {"rlimits", limits},    {"pty", nullptr},
                           {"script", nullptr},    {"stdin", request.input}};
    if (request.terminal)
        json["pty"] = {{"rows", request.terminal->rows}, {"cols", request.terminal->columns}};
    if (request.script) json["script"] = base64(*request.script);
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace holon::run
