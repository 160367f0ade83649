// SPDX-License-Identifier: GPL-2.0-or-later
// JSON from the other side of the channel, with limits.
#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

namespace holon::guest {

using Json = nlohmann::json;

// Throws std::exception with a line for a person on bad syntax or on nesting deeper than any
// message has.
Json parse_json(std::string_view text);

// Dumps any bytes: what is not UTF-8 is replaced, never thrown at.
std::string dump_json(const Json& json);

}  // namespace holon::guest
