// SPDX-License-Identifier: GPL-2.0-or-later
#include <array>
#include <charconv>
#include <limits>

#include "plugins/os/error.h"
#include "plugins/spec/rules.h"
#include "plugins/spec/spec.h"

namespace holon::spec {
namespace {

bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        auto byte = [&](std::size_t n) {
            return n < text.size() ? static_cast<unsigned char>(text[n]) : 0u;
        };
        unsigned lead = byte(i);
        std::size_t more = lead < 0x80                    ? 0
                           : lead >= 0xc2 && lead <= 0xdf ? 1
                           : lead >= 0xe0 && lead <= 0xef ? 2
                           : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                          : 4;
        if (more == 4) return false;
        for (std::size_t n = 1; n <= more; ++n)
            if ((byte(i + n) & 0xc0) != 0x80) return false;
        unsigned second = byte(i + 1);
        // overlong forms, surrogates, and what lies above U+10FFFF
        if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
            (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

bool is_name_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '+' || c == '-';
}

}  // namespace

namespace rules {

std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t least,
                                          std::uint64_t most) {
    if (text.empty() || text.size() > 18) return std::nullopt;
    std::uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    if (value < least || value > most) return std::nullopt;
    return value;
}

bool is_image_name(std::string_view text) {
    if (text.empty() || text.size() > 128) return false;
    if (text.front() == '.' || text.front() == '-')
        return false;  // ".." is a folder, "-x" an option
    for (char c : text)
        if (!is_name_character(c)) return false;
    return true;
}

bool is_clean_path(std::string_view text) {
    if (text.empty() || text.front() != '/' || text.size() >= longest_path) return false;
    for (char c : text) {
        auto u = static_cast<unsigned char>(c);
        if (u < 0x20 || u == 0x7f) return false;
    }
    return is_utf8(text);
}

bool is_seed(std::string_view text) {
    if (text.size() != 64) return false;
    for (char c : text)
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    return true;
}

std::optional<Network> network(std::string_view text) {
    if (text == "private") return Network::private_;
    if (text == "none") return Network::none;
    return std::nullopt;
}

std::string_view text_of(Network network) {
    return network == Network::private_ ? "private" : "none";
}

}  // namespace rules

std::uint64_t parse_memory_mb(std::string_view text) {
    std::string_view digits = text;
    unsigned shift = 20;
    if (!text.empty()) {
        switch (text.back()) {
            case 'K':
            case 'k':
                shift = 10;
                break;
            case 'M':
            case 'm':
                shift = 20;
                break;
            case 'G':
            case 'g':
                shift = 30;
                break;
            case 'T':
            case 't':
                shift = 40;
                break;
            default:
                shift = 0;
                break;
        }
        if (shift == 0)
            shift = 20;
        else
            digits.remove_suffix(1);
    }
    auto value = rules::whole_number(digits, 0, std::numeric_limits<std::uint64_t>::max());
    if (!value) throw Error("not a size: digits with an optional K, M, G or T");
    if (shift == 10) return (*value + 1023) / 1024;
    unsigned left = shift - 20;
    if (*value > (std::numeric_limits<std::uint64_t>::max() >> left))
        throw Error("the size is too large");
    return *value << left;
}

std::uint32_t parse_time_s(std::string_view text) {
    auto fail = [] [[noreturn]] () {
        throw Error(
            "not a time: minutes, minutes:seconds, hours:minutes:seconds or "
            "days-hours[:minutes[:seconds]]");
    };
    // Each field has at most nine digits, so the sums below cannot overflow 64 bits.
    auto number = [&](std::string_view field) -> std::uint64_t {
        auto value = rules::whole_number(field, 0, 999'999'999);
        if (!value) fail();
        return *value;
    };
    std::uint64_t seconds = 0;
    bool with_days = false;
    if (auto dash = text.find('-'); dash != std::string_view::npos) {
        seconds = number(text.substr(0, dash)) * 86400;
        text.remove_prefix(dash + 1);
        with_days = true;
    }
    std::array<std::uint64_t, 3> field{};
    std::size_t fields = 0;
    for (;;) {
        if (fields == field.size()) fail();
        auto colon = text.find(':');
        field[fields++] = number(text.substr(0, colon));
        if (colon == std::string_view::npos) break;
        text.remove_prefix(colon + 1);
    }
    if (with_days || fields == 3)
        seconds += field[0] * 3600 + field[1] * 60 + field[2];
    else
        seconds += field[0] * 60 + field[1];
    if (seconds > std::numeric_limits<std::uint32_t>::max()) throw Error("the time is too long");
    return static_cast<std::uint32_t>(seconds);
}

}  // namespace holon::spec
