// SPDX-License-Identifier: GPL-2.0-or-later
// Text for people: aligned columns, sizes and times in Slurm's way of writing them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holon::cli {

// ROWS under HEADER, columns as wide as their widest cell, two spaces apart; the last column is not
// padded. Columns whose header starts with '>' are aligned to the right (the '>' is not printed).
std::string table(const std::vector<std::string>& header,
                  const std::vector<std::vector<std::string>>& rows);

std::string memory_text(std::uint64_t mib);   // "384M", "1.5G"
std::string bytes_text(std::uint64_t bytes);  // "12K", "3.4M"
std::string duration_text(double seconds);    // "0:12", "1:02:03", "2-01:02:03"

// TEXT without control characters: what came from elsewhere must not drive the terminal.
std::string printable(std::string_view text);

}  // namespace holon::cli
