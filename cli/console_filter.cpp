// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/console_filter.h"

#include <cstdint>

#include "plugins/os/error.h"

namespace holon::cli {

std::string ConsoleFilter::pass(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) take(static_cast<unsigned char>(c), out);
    return out;
}

// ECMA-48: ESC [ parameters final is a control sequence; ESC ] P X ^ _ start a string that BEL or
// ESC \ ends; other ESC sequences are one more character, after any number of intermediate ones.
void ConsoleFilter::take(unsigned char c, std::string& out) {
    constexpr unsigned char escape = 0x1b;
    switch (state_) {
        case State::text:
            if (c == escape)
                state_ = State::escape;
            else if (c >= 0x20 ? c != 0x7f : c == '\n' || c == '\r' || c == '\t' || c == '\b')
                out += static_cast<char>(c);
            return;
        case State::escape:
            if (c == '[') {
                state_ = State::sequence;
                sequence_.clear();
            } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
                state_ = State::string;
            } else if (c < 0x20 || c > 0x2f) {
                state_ = c == escape ? State::escape : State::text;
            }
            return;
        case State::sequence:
            if (c == escape) {
                state_ = State::escape;
            } else if (c >= 0x40 && c <= 0x7e) {
                state_ = State::text;
                // Colours, and "erase to the end of the line".
                const bool plain = sequence_.find_first_not_of("0123456789;") == std::string::npos;
                if (plain && sequence_.size() < 32 && (c == 'm' || c == 'K'))
                    out += "\x1b[" + sequence_ + static_cast<char>(c);
            } else if (sequence_.size() < 32) {
                sequence_ += static_cast<char>(c);
            }
            return;
        case State::string:
            if (c == 0x07) state_ = State::text;
            if (c == escape) state_ = State::string_escape;
            return;
        case State::string_escape:
            state_ = c == '\\' ? State::text : c == escape ? State::string_escape : State::string;
            return;
    }
}

std::string decode_base64(std::string_view text) {
    const auto value = [](char c) -> int {
        if (c >= 'A' && c <= 'Z') return c - 'A';
        if (c >= 'a' && c <= 'z') return c - 'a' + 26;
        if (c >= '0' && c <= '9') return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
    };
    std::string bytes;
    std::uint32_t bits = 0;
    int count = 0;
    if (text.size() % 4 != 0) throw Error("base64 of {} characters", text.size());
    while (text.ends_with('=') && text.size() % 4 != 2) text.remove_suffix(1);
    for (const char c : text) {
        const int six = value(c);
        if (six < 0) throw Error("base64 with a character that is not of it");
        bits = bits << 6 | static_cast<std::uint32_t>(six);
        if ((count += 6) >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 0xff);
    }
    return bytes;
}

}  // namespace holon::cli
