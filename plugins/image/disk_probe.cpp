// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/disk_probe.h"

#include <optional>
#include <vector>

#include "plugins/os/error.h"

namespace holon::image {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t sector = 512;
constexpr std::uint64_t largest_disk = 1ull << 60;  // bytes; keeps every sum below within 64 bits
constexpr std::uint32_t most_gpt_entries = 1024;
constexpr int most_logical_partitions = 64;
constexpr const char* accepted =
    "give an ext2/3/4 or xfs root file system, alone or in the largest Linux partition";

// Numbers at a fixed place; bytes beyond the end read as zero, which every caller takes for "not
// there".
std::uint64_t number(std::string_view bytes, std::size_t offset, std::size_t size,
                     bool big_endian) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        std::size_t at = offset + (big_endian ? i : size - 1 - i);
        value = value << 8 | (at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0u);
    }
    return value;
}
std::uint64_t le(std::string_view bytes, std::size_t offset, std::size_t size) {
    return number(bytes, offset, size, false);
}
std::uint64_t be(std::string_view bytes, std::size_t offset, std::size_t size) {
    return number(bytes, offset, size, true);
}

// The file system that begins at OFFSET; empty where it is none of those the guest's kernel mounts.
// ext2 and ext3 are mounted by Linux' ext4 driver too.
std::string file_system_at(const DiskReader& disk, std::uint64_t offset) {
    std::string head = disk(offset, 2048);
    if (head.size() == 2048 && le(head, 0x438, 2) == 0xEF53) return "ext4";
    if (head.starts_with("XFSB")) return "xfs";
    return {};
}

struct Partition {
    std::uint32_t number;
    std::uint64_t first;  // sector
    std::uint64_t sectors;
};
using Partitions = std::vector<Partition>;

bool fits(std::uint64_t first, std::uint64_t sectors) {
    return first > 0 && sectors > 0 && first < largest_disk / sector &&
           sectors < largest_disk / sector;
}

// Plain Linux, LVM and RAID: the latter two count by size, so that a small /boot beside them is not
// taken for root.
bool is_linux_type(unsigned mbr_type) {
    return mbr_type == 0x83 || mbr_type == 0x8e || mbr_type == 0xfd;
}

bool is_linux_type(std::string_view guid) {
    // As stored: the first three fields little-endian.
    return guid ==
               "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4"sv ||  // Linux
                                                                                        // file
                                                                                        // system
           guid ==
               "\xe3\xbc\x68\x4f\xcd\xe8\xb1\x4d\x96\xe7\xfb\xca\xf9\x84\xb7\x09"sv ||  // root,
                                                                                        // x86-64
           guid == "\x79\xd3\xd6\xe6\x07\xf5\xc2\x44\xa2\x3c\x23\x8f\x2a\x3d\xf9\x28"sv ||  // LVM
           guid == "\x0f\x88\x9d\xa1\xfc\x05\x3b\x4d\xa0\x06\x74\x3f\x0f\x84\x91\x1e"sv;    // RAID
}

Partitions read_gpt(const DiskReader& disk) {
    std::string header = disk(sector, sector);
    if (!header.starts_with("EFI PART")) throw Error("its partition table is damaged");
    std::uint64_t table = le(header, 72, 8);
    std::uint64_t count = le(header, 80, 4);
    std::uint64_t size = le(header, 84, 4);
    if (table < 2 || table >= largest_disk / sector || size < 128 || size > 4096 ||
        count > most_gpt_entries)
        throw Error("its partition table is damaged");
    std::string entries = disk(table * sector, count * size);
    Partitions found;
    for (std::uint64_t i = 0; (i + 1) * size <= entries.size(); ++i) {
        auto entry = std::string_view(entries).substr(i * size, size);
        std::uint64_t first = le(entry, 32, 8), last = le(entry, 40, 8);
        if (is_linux_type(entry.substr(0, 16)) && last >= first && fits(first, last - first + 1))
            found.push_back({static_cast<std::uint32_t>(i + 1), first, last - first + 1});
    }
    return found;
}

// Logical partitions: a chain of tables, each with one partition and a link. The chain is a user's
// to write, so its length is bounded.
void read_logical(const DiskReader& disk, std::uint64_t extended, Partitions& found) {
    std::uint64_t at = extended;
    for (int i = 0; i < most_logical_partitions; ++i) {
        std::string table = disk(at * sector, sector);
        if (table.size() < sector || le(table, 510, 2) != 0xAA55) return;
        std::uint64_t first = at + le(table, 446 + 8, 4), sectors = le(table, 446 + 12, 4);
        if (is_linux_type(le(table, 446 + 4, 1)) && fits(first, sectors))
            found.push_back({static_cast<std::uint32_t>(5 + i), first, sectors});
        std::uint64_t next = le(table, 462 + 8, 4);
        if (next == 0) return;
        at = extended + next;
    }
}

// Nothing where the disk has no partition table.
std::optional<Partitions> read_partitions(const DiskReader& disk) {
    std::string mbr = disk(0, sector);
    if (mbr.size() < sector || le(mbr, 510, 2) != 0xAA55) return std::nullopt;
    Partitions found;
    bool any = false;
    for (std::uint32_t i = 0; i < 4; ++i) {
        std::size_t entry = 446 + 16 * i;
        unsigned type = le(mbr, entry + 4, 1);
        std::uint64_t first = le(mbr, entry + 8, 4), sectors = le(mbr, entry + 12, 4);
        if (type == 0xEE) return read_gpt(disk);
        if (type == 0 || !fits(first, sectors)) continue;
        any = true;
        if (is_linux_type(type)) found.push_back({i + 1, first, sectors});
        if (type == 0x05 || type == 0x0f || type == 0x85) read_logical(disk, first, found);
    }
    // The signature alone is also that of a boot sector in front of a bare file system.
    return any ? std::optional(found) : std::nullopt;
}

}  // namespace

bool is_qcow2(std::string_view head) { return head.starts_with("QFI\xfb"); }

Qcow2Header read_qcow2_header(std::string_view head) {
    Qcow2Header header;
    header.version = static_cast<std::uint32_t>(be(head, 4, 4));
    if (!is_qcow2(head) || head.size() < 104 || (header.version != 2 && header.version != 3))
        throw Error("this is not a qcow2 file of version 2 or 3");
    if (be(head, 8, 8) != 0 || be(head, 16, 4) != 0)
        throw Error(
            "this qcow2 file has a backing file, which is not accepted; join them with qemu-img "
            "convert");
    std::uint64_t incompatible = header.version == 3 ? be(head, 72, 8) : 0;
    if (incompatible & 1u << 2)
        throw Error(
            "this qcow2 file keeps its data in another file, which is not accepted; join them with "
            "qemu-img convert");
    if (be(head, 32, 4) != 0) throw Error("this qcow2 file is encrypted, which is not supported");
    if (incompatible & 1u << 1)
        throw Error("this qcow2 file is marked corrupt; mend it with qemu-img check -r all");
    std::uint64_t cluster_bits = be(head, 20, 4);
    header.virtual_size = be(head, 24, 8);
    if (cluster_bits < 9 || cluster_bits > 21 || header.virtual_size < sector ||
        header.virtual_size > largest_disk)
        throw Error("this qcow2 file has a damaged header");
    return header;
}

Root find_root(const DiskReader& disk) {
    auto partitions = read_partitions(disk);
    if (!partitions) {
        Root whole{0, file_system_at(disk, 0)};
        if (whole.type.empty())
            throw Error("this is neither a partitioned disk nor a file system known here; {}",
                        accepted);
        return whole;
    }
    const Partition* largest = nullptr;
    for (const auto& partition : *partitions)
        if (largest == nullptr || partition.sectors > largest->sectors) largest = &partition;
    if (largest == nullptr) throw Error("this disk has no Linux partition; {}", accepted);
    Root root{largest->number, file_system_at(disk, largest->first * sector)};
    if (root.type.empty())
        throw Error("partition {}, the largest Linux one, has no file system known here; {}",
                    root.partition, accepted);
    return root;
}

}  // namespace holon::image
