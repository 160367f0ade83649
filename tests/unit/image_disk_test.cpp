// SPDX-License-Identifier: GPL-2.0-or-later
// What is recognised in a disk file, from headers made here byte by byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "plugins/image/disk_probe.h"
#include "plugins/os/error.h"

namespace holon::image {
namespace {

using ::testing::HasSubstr;

std::string message_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

// A disk under construction.
struct Disk {
    std::string bytes;

    explicit Disk(std::size_t size) : bytes(size, '\0') {}

    Disk& little(std::size_t at, std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
        return *this;
    }
    Disk& big(std::size_t at, std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i)
            bytes[at + i] = static_cast<char>(value >> (8 * (size - 1 - i)));
        return *this;
    }
    Disk& text(std::size_t at, std::string_view what) {
        bytes.replace(at, what.size(), what);
        return *this;
    }
    Disk& ext4(std::size_t at) { return little(at + 0x438, 0xEF53, 2); }
    Disk& xfs(std::size_t at) { return text(at, "XFSB"); }
    Disk& signature(std::size_t at = 0) { return little(at + 510, 0xAA55, 2); }
    Disk& mbr(int index, unsigned type, std::uint64_t first, std::uint64_t count,
              std::size_t table = 0) {
        std::size_t at = table + 446 + 16 * static_cast<std::size_t>(index);
        return signature(table)
            .little(at + 4, type, 1)
            .little(at + 8, first, 4)
            .little(at + 12, count, 4);
    }
    Disk& gpt_header() {
        return mbr(0, 0xEE, 1, 0xFFFFFFFF)
            .text(512, "EFI PART")
            .little(512 + 72, 2, 8)
            .little(512 + 80, 128, 4)
            .little(512 + 84, 128, 4);
    }
    Disk& gpt(int index, std::string_view guid, std::uint64_t first, std::uint64_t last) {
        std::size_t at = 1024 + 128 * static_cast<std::size_t>(index);
        return text(at, guid).little(at + 32, first, 8).little(at + 40, last, 8);
    }
    // A good qcow2 version 3 header of a 1 GiB disk.
    Disk& qcow2() {
        return text(0, "QFI\xfb").big(4, 3, 4).big(20, 16, 4).big(24, 1u << 30, 8).big(100, 104, 4);
    }

    DiskReader reader() const {
        return [this](std::uint64_t offset, std::size_t size) -> std::string {
            return offset >= bytes.size() ? std::string() : bytes.substr(offset, size);
        };
    }
    Root root() const { return find_root(reader()); }
    std::string refusal() const {
        return message_of([&] { root(); });
    }
};

using namespace std::string_view_literals;
constexpr auto linux_data = "\xaf\x3d\xc6\x0f\x83\x84\x72\x47\x8e\x79\x3d\x69\xd8\x47\x7d\xe4"sv;
constexpr auto efi_system = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b"sv;
constexpr auto lvm = "\x79\xd3\xd6\xe6\x07\xf5\xc2\x44\xa2\x3c\x23\x8f\x2a\x3d\xf9\x28"sv;

TEST(ImageDisk, AnExtFileSystemWithoutPartitionsIsTheWholeDisk) {
    EXPECT_EQ(Disk(8192).ext4(0).root().device(), "/dev/vda");
    EXPECT_EQ(Disk(8192).ext4(0).root().type, "ext4");
}

TEST(ImageDisk, AnXfsFileSystemWithoutPartitionsIsTheWholeDisk) {
    EXPECT_EQ(Disk(8192).xfs(0).root().type, "xfs");
}

TEST(ImageDisk, ABootSectorBeforeABareFileSystemIsNoPartitionTable) {
    EXPECT_EQ(Disk(8192).signature().ext4(0).root().device(), "/dev/vda");
}

TEST(ImageDisk, TheLargestLinuxPartitionOfAnMbrIsTheRoot) {
    Disk disk(64 * 512 + 8192);
    disk.mbr(0, 0x83, 8, 8).mbr(1, 0x83, 32, 20).mbr(2, 0x07, 40, 1000).ext4(8 * 512);
    EXPECT_EQ(disk.xfs(32 * 512).root().device(), "/dev/vda2");
    EXPECT_EQ(disk.root().type, "xfs");
}

TEST(ImageDisk, ALogicalPartitionCountsFromFive) {
    Disk disk(64 * 512 + 8192);
    disk.mbr(0, 0x83, 1, 2).mbr(1, 0x05, 8, 100);
    disk.mbr(0, 0x83, 2, 4, 8 * 512).mbr(1, 0x05, 16, 90, 8 * 512);  // linked at 8 + 16 = 24
    disk.mbr(0, 0x83, 8, 80, 24 * 512).ext4(32 * 512);
    EXPECT_EQ(disk.root().device(), "/dev/vda6");
}

TEST(ImageDisk, AChainOfLogicalPartitionsInACircleEnds) {
    Disk disk(64 * 512);
    disk.mbr(0, 0x05, 8, 100).mbr(1, 0x05, 0, 100, 8 * 512);
    disk.little(8 * 512 + 462 + 8, 4, 4).mbr(1, 0x05, 4, 1, 12 * 512);
    EXPECT_THAT(disk.refusal(), HasSubstr("no Linux partition"));
}

TEST(ImageDisk, TheLargestLinuxPartitionOfAGptIsTheRoot) {
    Disk disk(256 * 512);
    disk.gpt_header().gpt(0, efi_system, 40, 9999).gpt(2, linux_data, 100, 180).ext4(100 * 512);
    EXPECT_EQ(disk.root().device(), "/dev/vda3");
}

TEST(ImageDisk, ASmallBootPartitionBesideLvmIsNotTakenForTheRoot) {
    Disk disk(256 * 512);
    disk.gpt_header().gpt(0, linux_data, 40, 60).gpt(1, lvm, 100, 9000).ext4(40 * 512);
    EXPECT_THAT(disk.refusal(), HasSubstr("partition 2, the largest Linux one"));
}

TEST(ImageDisk, AGptWithAbsurdNumbersIsRefused) {
    EXPECT_THAT(Disk(8192).gpt_header().little(512 + 80, 0xFFFFFFFF, 4).refusal(),
                HasSubstr("partition table is damaged"));
    EXPECT_THAT(Disk(8192).gpt_header().little(512 + 84, 0, 4).refusal(),
                HasSubstr("partition table is damaged"));
    EXPECT_THAT(Disk(8192).gpt_header().little(512 + 72, ~0ull, 8).refusal(),
                HasSubstr("partition table is damaged"));
    EXPECT_THAT(Disk(8192).gpt_header().gpt(0, linux_data, ~0ull - 1, ~0ull).refusal(),
                HasSubstr("no Linux partition"));
}

TEST(ImageDisk, AnythingElseIsRefusedSayingWhatIsAccepted) {
    EXPECT_THAT(Disk(8192).text(0, "hello").refusal(), HasSubstr("give an ext2/3/4 or xfs"));
    EXPECT_THAT(Disk(0).refusal(), HasSubstr("neither a partitioned disk nor a file system"));
}

std::string qcow2_refusal(const Disk& disk) {
    return message_of([&] { read_qcow2_header(disk.bytes); });
}

TEST(ImageDisk, AGoodQcow2HeaderTellsTheDisksSize) {
    EXPECT_EQ(read_qcow2_header(Disk(4096).qcow2().bytes).virtual_size, 1u << 30);
}

TEST(ImageDisk, AQcow2FileThatNeedsAnotherFileIsRefused) {
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(8, 512, 8).big(16, 11, 4)),
                HasSubstr("has a backing file"));
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(72, 4, 8)),
                HasSubstr("keeps its data in another file"));
}

TEST(ImageDisk, ADamagedEncryptedOrShortQcow2HeaderIsRefused) {
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(32, 2, 4)), HasSubstr("encrypted"));
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(72, 2, 8)), HasSubstr("marked corrupt"));
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(20, 40, 4)), HasSubstr("damaged header"));
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(24, ~0ull, 8)), HasSubstr("damaged header"));
    EXPECT_THAT(qcow2_refusal(Disk(4096).qcow2().big(4, 1, 4)), HasSubstr("version 2 or 3"));
    Disk cut(4096);
    cut.qcow2().bytes.resize(50);
    EXPECT_THAT(qcow2_refusal(cut), HasSubstr("version 2 or 3"));
}

}  // namespace
}  // namespace holon::image
