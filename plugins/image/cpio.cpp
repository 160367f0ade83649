// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/cpio.h"

#include <sys/stat.h>

#include <limits>

#include "plugins/os/error.h"

namespace holon::image {
namespace {

void pad(std::string& archive) { archive.append((4 - archive.size() % 4) % 4, '\0'); }

void append(std::string& archive, std::uint32_t inode, const CpioEntry& entry) {
    if (entry.content.size() > std::numeric_limits<std::uint32_t>::max())
        throw Error("{}: too large for an initramfs", entry.path);
    // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor,
    // namesize, check
    archive += fmt::format(
        "070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}",
        inode, entry.mode, 0, 0, S_ISDIR(entry.mode) ? 2 : 1, 0, entry.content.size(), 0, 0, 0, 0,
        entry.path.size() + 1, 0);
    archive += entry.path;
    archive += '\0';
    pad(archive);
    archive += entry.content;
    pad(archive);
}

}  // namespace

std::string cpio_archive(const std::vector<CpioEntry>& entries) {
    std::string archive;
    // Inode numbers only tell hard links apart, so any distinct ones do.
    std::uint32_t inode = 1;
    for (const auto& entry : entries) append(archive, inode++, entry);
    append(archive, 0, {"TRAILER!!!", 0, {}});
    return archive;
}

}  // namespace holon::image
