// SPDX-License-Identifier: GPL-2.0-or-later
// Writes newc cpio archives, the format of Linux' initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst). Only what holon-guest needs to
// travel: folders and regular files, owned by root, without times, so that the same content gives
// the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holon::image {

struct CpioEntry {
    std::string path;          // relative, parents come first
    std::uint32_t mode = 0;    // with S_IFDIR or S_IFREG
    std::string_view content;  // of a regular file, below 4 GiB
};

// A whole archive with its trailer; its length is a multiple of 4.
std::string cpio_archive(const std::vector<CpioEntry>& entries);

}  // namespace holon::image
