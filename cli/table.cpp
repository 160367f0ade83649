// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace holon::cli {
namespace {

// Characters of UTF-8 text, which is what a terminal's columns are for the texts printed here.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

std::string scaled(double value, const char* units) {
    while (value >= 1024 && units[1] != '\0') {
        value /= 1024;
        ++units;
    }
    const bool whole =
        value >= 100 || value == static_cast<double>(static_cast<std::uint64_t>(value));
    return whole ? fmt::format("{:.0f}{}", value, *units) : fmt::format("{:.1f}{}", value, *units);
}

}  // namespace

std::string table(const std::vector<std::string>& header,
                  const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::string> titles;
    std::vector<std::size_t> widths;
    for (const std::string& title : header) {
        titles.push_back(title.starts_with('>') ? title.substr(1) : title);
        widths.push_back(width(titles.back()));
    }
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    std::string text;
    const auto add = [&](const std::vector<std::string>& row) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string padding(widths[i] - width(row[i]), ' ');
            const bool right = header[i].starts_with('>');
            if (right) text += padding;
            text += row[i];
            if (i + 1 < row.size()) text += (right ? "" : padding) + "  ";
        }
        text += '\n';
    };
    add(titles);
    for (const auto& row : rows) add(row);
    return text;
}

std::string memory_text(std::uint64_t mib) { return scaled(static_cast<double>(mib), "MGTP"); }

std::string bytes_text(std::uint64_t bytes) { return scaled(static_cast<double>(bytes), "BKMGTP"); }

std::string duration_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(std::max(0.0, seconds));
    const std::uint64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
    if (days > 0) return fmt::format("{}-{:02}:{:02}:{:02}", days, hours, minutes, whole % 60);
    if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
    return fmt::format("{}:{:02}", minutes, whole % 60);
}

std::string printable(std::string_view text) {
    std::string clean;
    for (const char c : text) clean += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return clean;
}

}  // namespace holon::cli
