// SPDX-License-Identifier: GPL-2.0-or-later
// Slurm's hostlist grammar: names separated by commas, any name with any number of [lists of
// ranges].
#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

namespace holon::plan {
namespace {

constexpr std::size_t max_names = 65536;
constexpr std::size_t max_name_length = 255;  // of a host name in DNS
// 18 digits always fit 64 bits; Slurm's own limit is lower.
constexpr std::size_t max_digits = 18;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_character(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

std::uint64_t number(std::string_view digits) {
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

// At least WIDTH digits, zero-padded, as Slurm pads a range by the width of its first number.
std::string padded(std::uint64_t value, std::size_t width) {
    return fmt::format("{:0{}}", value, width);
}

[[noreturn]] void malformed(std::string_view list, std::string_view why) {
    throw Error("hostlist '{}': {}", list.substr(0, 200), why);
}

std::string_view all_digits(std::string_view list, std::string_view text) {
    if (text.empty() || text.size() > max_digits ||
        !std::all_of(text.begin(), text.end(), is_digit))
        malformed(list, fmt::format("'{}' is not a number", text.substr(0, 40)));
    return text;
}

// "1-3,07" → 1 2 3 07
std::vector<std::string> expand_ranges(std::string_view list, std::string_view ranges) {
    std::vector<std::string> result;
    for (std::size_t at = 0; at <= ranges.size();) {
        const std::size_t comma = std::min(ranges.find(',', at), ranges.size());
        const std::string_view range = ranges.substr(at, comma - at);
        const std::size_t dash = range.find('-');
        const std::string_view low = all_digits(list, range.substr(0, dash));
        const std::string_view high =
            dash == std::string_view::npos ? low : all_digits(list, range.substr(dash + 1));
        const std::uint64_t first = number(low), last = number(high);
        if (first > last) malformed(list, fmt::format("the range {} runs backwards", range));
        if (last - first >= max_names - result.size())
            malformed(list, fmt::format("over {} names", max_names));
        for (std::uint64_t value = first; value <= last; ++value)
            result.push_back(padded(value, low.size()));
        at = comma + 1;
    }
    return result;
}

// One name with its brackets: the product of its parts, the last one running fastest.
std::vector<std::string> expand_name(std::string_view list, std::string_view text) {
    std::vector<std::string> names{""};
    for (std::size_t at = 0; at < text.size();) {
        if (names.front().size() > max_name_length)
            malformed(list, fmt::format("a name over {} characters long", max_name_length));
        if (text[at] != '[') {
            if (!is_name_character(text[at]))
                malformed(list,
                          text[at] == ']' ? "']' without '['" : "a character no host name has");
            for (std::string& name : names) name += text[at];
            ++at;
            continue;
        }
        const std::size_t close = text.find(']', at);
        if (close == std::string_view::npos) malformed(list, "'[' without ']'");
        const auto numbers = expand_ranges(list, text.substr(at + 1, close - at - 1));
        if (names.size() * numbers.size() > max_names)
            malformed(list, fmt::format("over {} names", max_names));
        std::vector<std::string> product;
        product.reserve(names.size() * numbers.size());
        for (const std::string& name : names)
            for (const std::string& digits : numbers) product.push_back(name + digits);
        names = std::move(product);
        at = close + 1;
    }
    return names;
}

// The end of the name that starts at AT: the next comma outside brackets.
std::size_t end_of_name(std::string_view list, std::size_t at) {
    bool inside = false;
    for (; at < list.size(); ++at) {
        if (list[at] == '[') {
            if (inside) malformed(list, "'[' inside '['");
            inside = true;
        }
        if (list[at] == ']') inside = false;
        if (list[at] == ',' && !inside) break;
    }
    return at;
}

struct SplitName {
    std::string_view prefix, digits;  // digits: the trailing ones, may be empty
};

SplitName split(std::string_view name) {
    std::size_t start = name.size();
    while (start > 0 && is_digit(name[start - 1]) && name.size() - start < max_digits) --start;
    return {name.substr(0, start), name.substr(start)};
}

}  // namespace

std::vector<std::string> expand_hostlist(std::string_view list) {
    std::vector<std::string> names;
    if (list.empty()) return names;
    // More than Slurm prints for 65,536 names.
    if (list.size() > (1u << 20)) malformed(list, "over 1 MiB long");
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t end = end_of_name(list, at);
        if (end == at) malformed(list, "an empty name");
        if (end - at > 4096) malformed(list, "a name over 4096 characters long");
        auto some = expand_name(list, list.substr(at, end - at));
        if (names.size() + some.size() > max_names)
            malformed(list, fmt::format("over {} names", max_names));
        names.insert(names.end(), std::make_move_iterator(some.begin()),
                     std::make_move_iterator(some.end()));
        at = end + 1;
    }
    return names;
}

std::string compress_hostlist(const std::vector<std::string>& names) {
    std::string list;
    for (std::size_t at = 0; at < names.size();) {
        const auto [prefix, digits] = split(names[at]);
        if (!list.empty()) list += ',';
        if (digits.empty()) {
            list += names[at++];
            continue;
        }
        std::string ranges;
        std::size_t count = 0;
        for (; at < names.size();) {
            const auto [same_prefix, low] = split(names[at]);
            if (same_prefix != prefix || low.empty()) break;
            std::string_view high = low;
            std::uint64_t value = number(low);
            for (++at, ++count; at < names.size(); ++at, ++count) {
                const auto next = split(names[at]);
                if (next.prefix != prefix || next.digits != padded(value + 1, low.size())) break;
                high = next.digits;
                ++value;
            }
            if (!ranges.empty()) ranges += ',';
            ranges += low;
            if (high != low) (ranges += '-') += high;
        }
        list += prefix;
        list += count == 1 ? ranges : '[' + ranges + ']';
    }
    return list;
}

std::vector<std::uint32_t> expand_cpus_per_node(std::string_view text) {
    const auto refuse = [&]() -> Error {
        return Error("CPUs per node '{}': not of the form 2(x3),1", text.substr(0, 200));
    };
    const auto take_number = [&](std::string_view digits) -> std::uint32_t {
        std::uint32_t value = 0;
        const char* const end = digits.data() + digits.size();
        const auto [stop, error] = std::from_chars(digits.data(), end, value);
        if (error != std::errc{} || stop != end || value == 0) throw refuse();
        return value;
    };
    std::vector<std::uint32_t> cpus;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        std::string_view item = text.substr(at, comma - at);
        std::uint32_t times = 1;
        if (const std::size_t open = item.find("(x"); open != std::string_view::npos) {
            if (!item.ends_with(')')) throw refuse();
            times = take_number(item.substr(open + 2, item.size() - open - 3));
            item = item.substr(0, open);
        }
        if (times > max_names - cpus.size()) throw refuse();
        cpus.insert(cpus.end(), times, take_number(item));
        at = comma + 1;
    }
    return cpus;
}

}  // namespace holon::plan
