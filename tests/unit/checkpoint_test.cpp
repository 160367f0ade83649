// SPDX-License-Identifier: GPL-2.0-or-later
// The files of a checkpoint, and the folders they are in.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "plugins/checkpoint/part.h"
#include "plugins/checkpoint/store.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"

namespace holon::checkpoint {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::size_t mb = 1u << 20;

std::string random_bytes(std::size_t size) {
    std::mt19937_64 random(size);
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
        const std::uint64_t value = random();
        bytes.replace(i, 8, reinterpret_cast<const char*>(&value), 8);
    }
    return bytes;
}

class Checkpoint : public testing::Test {
  protected:
    fs::path dir;
    void SetUp() override {
        std::string name = fs::temp_directory_path() / "holon-checkpoint.XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        dir = name;
    }
    void TearDown() override { os::remove_tree(dir); }

    // A pipe from which TEXT comes.
    struct Source {
        os::Fd read;
        std::jthread writer;
        explicit Source(const std::string& text) {
            int ends[2];
            if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe: {}", errno_text());
            read.reset(ends[0]);
            writer = std::jthread([fd = ends[1], text] {
                const os::Fd end(fd);
                os::write_all(fd, text.data(), text.size());
            });
        }
    };

    Part write(const fs::path& file, const std::string& text, const WriteOptions& options = {}) {
        const Source source(text);
        return write_part(source.read.get(), file, options);
    }
    std::string read(const fs::path& file, const Part& part) {
        const os::Fd out(::open((dir / "out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
        read_part(file, part, out.get());
        return os::read_file(dir / "out");
    }

    Manifest manifest(std::uint32_t number, const Part& memory) {
        Manifest manifest;
        manifest.number = number;
        manifest.holon = "0.1.0";
        manifest.user = "alice";
        manifest.image = "tiny";
        manifest.image_identity = "1";
        manifest.spec.image = "tiny";
        manifest.plan.job = {42, 0};
        SavedVm vm;
        vm.vm = {0, "vm0", "n1", 1, 256, "02:00:00:2a:00:00", "10.77.0.1"};
        vm.hardware = {1, "pc-i440fx-7.2", false, "max", "", "7.2.22"};
        vm.memory = memory;
        manifest.plan.vms = {vm.vm};
        manifest.vms = {vm};
        return manifest;
    }
    // A whole checkpoint of job 42.
    fs::path save(const std::string& memory = "memory") {
        const Begun begun = begin(dir, 42, 0, 0);
        const Part part = write(begun.folder / "vm0.memory", memory);
        return commit(begun.folder, manifest(begun.number, part));
    }
    std::vector<std::uint32_t> numbers() {
        std::vector<std::uint32_t> numbers;
        for (const Entry& entry : list(dir, 42)) numbers.push_back(entry.number);
        return numbers;
    }
};

using CheckpointPart = Checkpoint;
using CheckpointStore = Checkpoint;

template <typename Action>
std::string refusal(Action action) {
    try {
        action();
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        return error.what();
    }
    return "done";
}

TEST_F(CheckpointPart, EveryByteComesBack) {
    int i = 0;
    for (const std::string& text :
         {std::string(), std::string("x"), std::string(3 * mb, 'a'), random_bytes(3 * mb + 5),
          std::string(2 * mb, '\0') + "end" + random_bytes(mb) + std::string(20 * mb, 'b')})
        for (const Compress compress : {Compress::automatic, Compress::zstd, Compress::none}) {
            const fs::path file = dir / std::to_string(i++);
            const Part part = write(file, text, {compress, 0, 0, {}, {}});
            EXPECT_EQ(part.content, text.size());
            EXPECT_EQ(part.bytes, fs::file_size(file));
            EXPECT_EQ(part.file, file.filename());
            EXPECT_TRUE(read(file, part) == text);
        }
}

TEST_F(CheckpointPart, ZerosCostNothing) {
    EXPECT_LT(write(dir / "file", std::string(64 * mb, '\0'), {Compress::none, 0, 0, {}, {}}).bytes,
              1024u);
}

TEST_F(CheckpointPart, WhatCanBeCompressedIs) {
    EXPECT_LT(write(dir / "file", std::string(8 * mb, 'a')).bytes, mb / 8);
    EXPECT_GT(write(dir / "plain", std::string(8 * mb, 'a'), {Compress::none, 0, 0, {}, {}}).bytes,
              8 * mb);
}

TEST_F(CheckpointPart, AFlippedBitAnywhereIsFound) {
    const fs::path file = dir / "file";
    const Part part = write(file, "memory " + std::string(mb, 'm') + random_bytes(4096));
    const std::string good = os::read_file(file);
    for (std::size_t at = 0; at < good.size(); at += at < 64 ? 1 : 101) {
        std::string damaged = good;
        damaged[at] = static_cast<char>(damaged[at] ^ 4);
        std::ofstream(file, std::ios::binary) << damaged;
        EXPECT_THAT(refusal([&] { read_part(file, part, -1); }), HasSubstr("damaged")) << at;
    }
}

TEST_F(CheckpointPart, AFileThatWasCutOrGrewIsFound) {
    const fs::path file = dir / "file";
    const Part part = write(file, random_bytes(10000));
    fs::resize_file(file, part.bytes - 1);
    EXPECT_THAT(refusal([&] { read_part(file, part, -1); }), HasSubstr("bytes instead of"));
    fs::resize_file(file, part.bytes + 1);
    EXPECT_THAT(refusal([&] { read_part(file, part, -1); }), HasSubstr("bytes instead of"));
}

TEST_F(CheckpointPart, ALinkIsNotFollowed) {
    const Part part = write(dir / "real", "text");
    fs::create_symlink(dir / "real", dir / "link");
    EXPECT_NE(refusal([&] { read_part(dir / "link", part, -1); }), "done");
    EXPECT_NE(refusal([&] { write(dir / "link", "text"); }), "done");
}

TEST_F(CheckpointPart, RoomThatWasReservedAndNotNeededIsGivenBack) {
    WriteOptions options;
    options.reserve = 64 * mb;
    bool told = false;
    options.reserved = [&] { told = true; };
    write(dir / "file", "little", options);
    struct stat facts {};
    ASSERT_EQ(::stat((dir / "file").c_str(), &facts), 0);
    EXPECT_TRUE(told);
    EXPECT_LT(facts.st_blocks, 1024);
}

TEST_F(CheckpointStore, ACheckpointIsThereOnlyWhenItIsWhole) {
    const Begun begun = begin(dir, 42, 0, 0);
    EXPECT_EQ(begun.number, 1u);
    const Part part = write(begun.folder / "vm0.memory", "memory");
    EXPECT_TRUE(list(dir, 42).empty());
    EXPECT_THROW(newest_good(dir, 42), Error);
    const fs::path folder = commit(begun.folder, manifest(1, part));
    EXPECT_EQ(folder, dir / "42/1");
    ASSERT_THAT(numbers(), ElementsAre(1));
    EXPECT_EQ(verify(folder).vms.size(), 1u);
    EXPECT_EQ(newest_good(dir, 42).good.number, 1u);
}

TEST_F(CheckpointStore, OnlyTheUserCanReadIt) {
    const fs::path folder = save();
    for (const fs::path& path :
         {dir / "42", folder, folder / "manifest.json", folder / "vm0.memory"}) {
        struct stat facts {};
        ASSERT_EQ(::stat(path.c_str(), &facts), 0) << path;
        EXPECT_EQ(facts.st_mode & 077, 0u) << path;
    }
}

TEST_F(CheckpointStore, APartThatIsMissingOrShortIsNotCommitted) {
    const Begun begun = begin(dir, 42, 0, 0);
    const Part part = write(begun.folder / "vm0.memory", "memory");
    fs::resize_file(begun.folder / "vm0.memory", part.bytes - 1);
    EXPECT_THAT(refusal([&] { commit(begun.folder, manifest(1, part)); }), HasSubstr("not whole"));
    fs::remove(begun.folder / "vm0.memory");
    EXPECT_THAT(refusal([&] { commit(begun.folder, manifest(1, part)); }), HasSubstr("not there"));
    EXPECT_TRUE(list(dir, 42).empty());
}

TEST_F(CheckpointStore, WhatWasLeftHalfDoneGoesWithTheNextSave) {
    save();
    const Begun first = begin(dir, 42, 0, 0);
    write(first.folder / "vm0.memory", "memory");
    const Begun second = begin(dir, 42, 0, 0);
    EXPECT_FALSE(fs::exists(first.folder) && first.folder != second.folder);
    EXPECT_TRUE(fs::is_empty(second.folder));
    EXPECT_THAT(numbers(), ElementsAre(1));
    abandon(second.folder);
    abandon(second.folder);
    EXPECT_THAT(numbers(), ElementsAre(1));
    EXPECT_THROW(abandon(dir / "42/1"), Error);
}

TEST_F(CheckpointStore, WhatWasLeftHalfDoneCanBeSweptWithoutASave) {
    save();
    write(begin(dir, 42, 0, 0).folder / "vm0.memory", "memory");
    fs::create_directory(dir / "42/7.gone");
    fs::create_directory(dir / "42/mine.part");
    sweep(dir, 42);
    sweep(dir, 43);
    EXPECT_THAT(numbers(), ElementsAre(1));
    EXPECT_FALSE(fs::exists(dir / "42/2.part"));
    EXPECT_FALSE(fs::exists(dir / "42/7.gone"));
    EXPECT_TRUE(fs::exists(dir / "42/mine.part"));
}

TEST_F(CheckpointStore, TheNewestGoodOneIsOfferedAndTheOthersFaultsAreSaid) {
    save("one");
    save("two");
    save("three");
    save("four");
    std::ofstream(dir / "42/4/manifest.json", std::ios::trunc) << "{";
    std::fstream(dir / "42/3/vm0.memory", std::ios::in | std::ios::out).seekp(20).put('x');
    const Newest newest = newest_good(dir, 42);
    EXPECT_EQ(newest.good.number, 2u);
    ASSERT_EQ(newest.refused.size(), 2u);
    EXPECT_THAT(newest.refused[0], HasSubstr("42/4: manifest: not JSON, or cut short"));
    EXPECT_THAT(newest.refused[1], HasSubstr("42/3/vm0.memory: damaged"));
}

TEST_F(CheckpointStore, SoManyGoodOnesAreKept) {
    for (int i = 0; i < 5; ++i) save();
    std::ofstream(dir / "42/4/manifest.json", std::ios::trunc) << "{";
    EXPECT_THAT(prune(dir, 42, 2), ElementsAre(2, 1));
    EXPECT_THAT(numbers(), ElementsAre(3, 4, 5));
    EXPECT_TRUE(prune(dir, 42, 2).empty());
}

TEST_F(CheckpointStore, OneMovedToAnotherNumberIsRefused) {
    save();
    fs::rename(dir / "42/1", dir / "42/9");
    EXPECT_THAT(refusal([&] { verify(dir / "42/9"); }), HasSubstr("manifest: of checkpoint 1"));
}

TEST_F(CheckpointStore, NumbersGoOnBehindWhatIsThere) {
    save();
    save();
    remove(dir, 42, 1);
    EXPECT_EQ(begin(dir, 42, 0, 0).number, 3u);
    remove(dir, 42, 0);
    EXPECT_FALSE(fs::exists(dir / "42"));
    EXPECT_THAT(refusal([&] { remove(dir, 42, 7); }), HasSubstr("no such checkpoint"));
}

TEST_F(CheckpointStore, AFullFileSystemIsSaidBeforeAnythingIsDone) {
    EXPECT_THAT(refusal([&] { begin(dir, 42, std::uint64_t{1} << 60, 0); }),
                HasSubstr("remove old checkpoints"));
    EXPECT_TRUE(fs::is_empty(dir / "42"));
}

TEST_F(CheckpointStore, JobsAreFoundByTheirFolders) {
    save();
    fs::create_directory(dir / "7");
    fs::create_directory(dir / "notes");
    EXPECT_THAT(jobs(dir), ElementsAre(7, 42));
    EXPECT_TRUE(jobs(dir / "nothing").empty());
}

TEST(CheckpointFolder, IsTheUsersOwn) {
    EXPECT_EQ(folder_of_user("~/.holon", "alice", "/home/a"), "/home/a/.holon");
    EXPECT_EQ(folder_of_user("/scratch/%u/c", "alice", "/home/a"), "/scratch/alice/c");
    EXPECT_THROW(folder_of_user("~/x", "daemon", "nowhere"), Error);
}

}  // namespace
}  // namespace holon::checkpoint
