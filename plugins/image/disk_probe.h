// SPDX-License-Identifier: GPL-2.0-or-later
// What a disk file holds, read from its first bytes and its partition table. The bytes come from a
// user and may be made to deceive: every number is checked before it is used, nothing is followed
// out of the file, and the work is bounded. Pure: bytes come through a function, so that tests and
// the fuzzer need no files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace holon::image {

// As many bytes of a file as read_qcow2_header wants to see.
inline constexpr std::size_t probe_bytes = 4096;

bool is_qcow2(std::string_view head);

struct Qcow2Header {
    std::uint32_t version = 0;
    std::uint64_t virtual_size = 0;
};
// Throws holon::Error (without the file's name) for a file that is damaged, encrypted, or needs
// other files: a backing file or an external data file would be opened by path later, and is
// refused.
Qcow2Header read_qcow2_header(std::string_view head);

// SIZE bytes at OFFSET of the disk as the guest sees it; fewer at its end.
using DiskReader = std::function<std::string(std::uint64_t offset, std::size_t size)>;

struct Root {
    std::uint32_t partition = 0;  // 0: the whole disk is one file system
    std::string type;             // "ext4" or "xfs"

    std::string device() const {
        return partition == 0 ? "/dev/vda" : "/dev/vda" + std::to_string(partition);
    }
};
// The root file system: the largest Linux partition of a GPT or MBR, or a file system without
// partitions. Throws holon::Error (without the file's name) where there is none that the guest's
// kernel can mount.
Root find_root(const DiskReader& disk);

}  // namespace holon::image
