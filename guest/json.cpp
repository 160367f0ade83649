// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/json.h"

#include <stdexcept>

namespace holon::guest {

Json parse_json(std::string_view text) {
    constexpr int max_depth = 16;
    int depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') {
                ++i;
            } else if (c == '"') {
                quoted = false;
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max_depth) throw std::runtime_error("JSON nested too deeply");
        } else if (c == ']' || c == '}') {
            --depth;
        }
    }
    return Json::parse(text);
}

std::string dump_json(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace holon::guest
