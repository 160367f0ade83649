// SPDX-License-Identifier: GPL-2.0-or-later
// Names for contents: what changes when an image or the agent does.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

namespace holon::image {

// SHA-256 in hex.
std::string sha256(std::string_view text);

// One line that changes when the file does: size, time of modification and inode. The device is
// left out: the same export has different numbers on different nodes.
std::string file_facts(const struct stat& file);

}  // namespace holon::image
