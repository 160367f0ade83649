// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/checkpoint/members.h"

#include <algorithm>
#include <optional>

namespace holon::checkpoint {

using nlohmann::json;

json parse_json(std::string_view text, const std::string& where) {
    constexpr int deepest = 16;
    bool too_deep = false;
    const auto watch = [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > deepest;
        return !too_deep;
    };
    json parsed = json::parse(text, watch, false);
    if (too_deep) throw Error("{}: nested too deeply", where);
    if (parsed.is_discarded()) throw Error("{}: not JSON, or cut short", where);
    return parsed;
}

Members::Members(json object, std::string where)
    : object_(std::move(object)), where_(std::move(where)) {
    if (!object_.is_object()) throw Error("{}: not an object", where_);
}

void Members::refuse(const std::string& key, const std::string& why) const {
    throw Error("{}{}{}: {}", where_, where_.ends_with(':') ? " " : ".", key, why);
}

json Members::take(const char* key) {
    const auto found = object_.find(key);
    if (found == object_.end()) refuse(key, "missing");
    json value = std::move(*found);
    object_.erase(found);
    return value;
}

std::uint64_t Members::number(const char* key, std::uint64_t most, std::uint64_t least) {
    const json value = take(key);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most ||
        value.get<std::uint64_t>() < least)
        refuse(key, fmt::format("not a whole number from {} to {}", least, most));
    return value.get<std::uint64_t>();
}

std::uint32_t Members::number32(const char* key, std::uint32_t most, std::uint32_t least) {
    return static_cast<std::uint32_t>(number(key, most, least));
}

bool Members::boolean(const char* key) {
    const json value = take(key);
    if (!value.is_boolean()) refuse(key, "neither true nor false");
    return value.get<bool>();
}

std::string Members::text(const char* key, std::size_t longest) {
    const json value = take(key);
    if (!value.is_string()) refuse(key, "not a string");
    auto text = value.get<std::string>();
    if (text.size() > longest) refuse(key, fmt::format("longer than {} bytes", longest));
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(text.begin(), text.end(), control)) refuse(key, "control characters in it");
    return text;
}

std::string Members::hex(const char* key, std::size_t digits) {
    auto text = this->text(key, digits);
    if (text.size() != digits || text.find_first_not_of("0123456789abcdef") != std::string::npos)
        refuse(key, fmt::format("not {} hexadecimal digits", digits));
    return text;
}

Members Members::object(const char* key) {
    json value = take(key);
    if (!value.is_object()) refuse(key, "not an object");
    return {std::move(value),
            fmt::format("{}{}{}", where_, where_.ends_with(':') ? " " : ".", key)};
}

std::optional<Members> Members::object_or_null(const char* key) {
    if (const auto found = object_.find(key); found != object_.end() && found->is_null()) {
        object_.erase(found);
        return std::nullopt;
    }
    return object(key);
}

std::vector<Members> Members::objects(const char* key, std::size_t most) {
    json list = take(key);
    if (!list.is_array()) refuse(key, "not a list");
    if (list.size() > most) refuse(key, fmt::format("more than {} entries", most));
    std::vector<Members> members;
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto name = fmt::format("{}[{}]", key, i);
        if (!list[i].is_object()) refuse(name, "not an object");
        members.emplace_back(
            std::move(list[i]),
            fmt::format("{}{}{}", where_, where_.ends_with(':') ? " " : ".", name));
    }
    return members;
}

void Members::nothing_left() const {
    if (!object_.empty()) refuse(object_.begin().key().substr(0, 40), "unknown key");
}

}  // namespace holon::checkpoint
