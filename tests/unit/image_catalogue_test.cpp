// SPDX-License-Identifier: GPL-2.0-or-later
// The catalogue, users' files, and what a VM is started with. Needs qemu-img; tests that change
// identity need root.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "plugins/image/cpio.h"
#include "plugins/image/image.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::image {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string message_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

void write(const fs::path& path, std::string_view content, mode_t mode = 0644) {
    os::write_file_atomically(path, content, mode);
}

// A raw disk that is one ext4 file system, as far as its superblock tells.
std::string ext4_disk() {
    std::string disk(1 << 20, '\0');
    disk[0x438] = '\x53';
    disk[0x439] = '\xef';
    return disk;
}

struct ImageCatalogue : ::testing::Test {
    fs::path folder;
    config::Config config;
    os::Identity self, other;

    void SetUp() override {
        std::string name = fs::temp_directory_path() / "holon-image-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
        ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
        config.images.path = {folder / "images"};
        self.uid = ::geteuid();
        self.gid = ::getegid();
        other = self;
        if (self.uid == 0) other.uid = other.gid = 12345;
        add("tiny", "kernel: vmlinux\ninitrd: initrd.cpio\nmin_memory_mb: 96\n");
    }
    void TearDown() override { os::remove_tree(folder); }

    fs::path add(const std::string& name, std::string_view yaml) const {
        fs::path image = folder / "images" / name;
        fs::create_directories(image);
        write(image / "image.yaml", yaml);
        write(image / "vmlinux", "a kernel");
        write(image / "initrd.cpio", "an archive");
        return image;
    }
    std::string fault_of(std::string_view yaml) const {
        add("broken", yaml);
        return message_of([&] { find(config, "broken", self); });
    }
};

TEST_F(ImageCatalogue, AnImageIsReadFromItsFolder) {
    fs::path image =
        add("full",
            "description: all keys\nkernel: vmlinux\ninitrd: initrd.cpio\ndisk: disk.raw\n"
            "disk_format: raw\nroot: /dev/vda1\nroot_type: ext4\nmin_memory_mb: 200\n"
            "command_line: nosmt\n");
    write(image / "disk.raw", "0123456789");
    Image found = find(config, "full", self);
    EXPECT_EQ(found.kernel, image / "vmlinux");
    EXPECT_EQ(found.disk, image / "disk.raw");
    EXPECT_EQ(found.root, "/dev/vda1");
    EXPECT_EQ(found.min_memory_mb, 200u);
    EXPECT_EQ(found.size_bytes, 8u + 10u + 10u);
    EXPECT_EQ(to_json(found)["disk"]["format"], "raw");
}

TEST_F(ImageCatalogue, EveryFaultOfADescriptionNamesFileAndLine) {
    EXPECT_THAT(fault_of("kernel: vmlinux\nkernl: x\n"),
                HasSubstr("image.yaml:2: kernl: unknown key"));
    EXPECT_THAT(fault_of("kernel: [a]\n"), HasSubstr("image.yaml:1: kernel: give one text"));
    EXPECT_THAT(fault_of("kernel: vmlinux\n"), HasSubstr("initrd: missing"));
    EXPECT_THAT(fault_of("kernel: vmlinux\ninitrd: gone\n"), HasSubstr("image.yaml:2: initrd:"));
    EXPECT_THAT(fault_of("kernel: vmlinux\ninitrd: initrd.cpio\nmin_memory_mb: lots\n"),
                HasSubstr("image.yaml:3: min_memory_mb: 'lots' is not accepted"));
    EXPECT_THAT(
        fault_of("kernel: vmlinux\ninitrd: initrd.cpio\ndisk: vmlinux\ndisk_format: vmdk\n"),
        HasSubstr("image.yaml:4: disk_format: 'vmdk' is not accepted; give qcow2 or raw"));
    EXPECT_THAT(fault_of("kernel: vmlinux\ninitrd: initrd.cpio\nroot: /dev/vda\n"),
                HasSubstr("image.yaml:3: root: means nothing without disk"));
    EXPECT_THAT(fault_of("kernel: vmlinux\nkernel: vmlinux\n"),
                HasSubstr("image.yaml:2: kernel: given twice"));
    EXPECT_THAT(fault_of("kernel: 'vmlinux\n"), HasSubstr("image.yaml:"));
    EXPECT_THAT(fault_of("just words\n"), HasSubstr("give keys and values"));
    EXPECT_THAT(fault_of("kernel: vmlinux\ninitrd: initrd.cpio\ncommand_line: " +
                         std::string(3000, 'x') + "\n"),
                HasSubstr("image.yaml:3: command_line:"));
}

TEST_F(ImageCatalogue, AnUnknownImageNamesThoseThatAreKnown) {
    add("debian", "kernel: vmlinux\ninitrd: initrd.cpio\n");
    add("broken", "nonsense: 1\n");
    EXPECT_EQ(
        message_of([&] { find(config, "rocky9", self); }),
        "image 'rocky9': no such image; images known here: debian, tiny (see holon image list)");
}

TEST_F(ImageCatalogue, TheListShowsABrokenFolderWithItsFault) {
    add("broken", "nonsense: 1\n");
    auto images = list(config);
    ASSERT_EQ(images.size(), 2u);
    EXPECT_EQ(images[0].name, "broken");
    EXPECT_TRUE(images[0].kernel.empty());
    EXPECT_THAT(images[0].description, HasSubstr("nonsense: unknown key"));
    EXPECT_EQ(images[1].name, "tiny");
}

TEST_F(ImageCatalogue, ANameNeverLeadsOutOfTheCatalogue) {
    EXPECT_THAT(message_of([&] { find(config, "..", self); }), HasSubstr("not a name"));
    EXPECT_THAT(message_of([&] { remove(config, "../images/tiny"); }), HasSubstr("not a name"));
}

TEST_F(ImageCatalogue, TheIdentityChangesWithAnyOfTheFiles) {
    std::string before = find(config, "tiny", self).identity;
    EXPECT_EQ(find(config, "tiny", self).identity, before);
    write(folder / "images/tiny/vmlinux", "a kernel");
    EXPECT_NE(find(config, "tiny", self).identity, before);
}

TEST_F(ImageCatalogue, AUsersRawDiskBootsWithTheKernelForUsersFiles) {
    write(folder / "mine.raw", ext4_disk());
    Image image = find(config, folder / "mine.raw", other);
    EXPECT_TRUE(image.user_file);
    EXPECT_EQ(image.disk_format, "raw");
    EXPECT_EQ(image.root, "/dev/vda");
    EXPECT_EQ(image.kernel, folder / "images/tiny/vmlinux");
}

TEST_F(ImageCatalogue, AUsersCompressedQcow2DiskIsUnderstood) {
    write(folder / "mine.raw", ext4_disk());
    os::run_checked({"qemu-img", "convert", "-c", "-O", "qcow2", folder / "mine.raw",
                     folder / "mine, too.qcow2"});
    Image image = find(config, folder / "mine, too.qcow2", other);
    EXPECT_EQ(image.disk_format, "qcow2");
    EXPECT_EQ(image.root_type, "ext4");
}

TEST_F(ImageCatalogue, AUsersQcow2DiskWithABackingFileIsRefused) {
    write(folder / "secret", ext4_disk(), 0600);
    os::run_checked({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                     folder / "secret", folder / "mine.qcow2"});
    EXPECT_THAT(message_of([&] { find(config, folder / "mine.qcow2", other); }),
                HasSubstr("has a backing file"));
}

TEST_F(ImageCatalogue, AFileTheUserCannotReadGivesTheUsersOwnError) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to be somebody else";
    write(folder / "secret.raw", ext4_disk(), 0600);
    EXPECT_EQ(message_of([&] { find(config, folder / "secret.raw", other); }),
              "image " + (folder / "secret.raw").string() + ": Permission denied");
}

TEST_F(ImageCatalogue, AUsersFolderDeviceOrTextIsRefused) {
    EXPECT_THAT(message_of([&] { find(config, folder, other); }), HasSubstr("not a regular file"));
    EXPECT_THAT(message_of([&] { find(config, "/dev/null", other); }),
                HasSubstr("not a regular file"));
    write(folder / "notes", "milk, bread");
    EXPECT_THAT(message_of([&] { find(config, folder / "notes", other); }),
                HasSubstr("neither a partitioned disk"));
}

TEST_F(ImageCatalogue, UsersFilesCanBeForbidden) {
    write(folder / "mine.raw", ext4_disk());
    config.images.allow_user_files = false;
    EXPECT_THAT(message_of([&] { find(config, folder / "mine.raw", other); }),
                HasSubstr("not allowed here"));
}

TEST_F(ImageCatalogue, AnOverlayBelongsToTheUserAndNamesItsBase) {
    write(folder / "mine.raw", ext4_disk());
    fs::create_directory(folder / "job");
    ASSERT_EQ(::chown((folder / "job").c_str(), other.uid, other.gid), 0);
    create_overlay(find(config, folder / "mine.raw", other), folder / "job/vm0.qcow2", other);
    struct stat facts {};
    ASSERT_EQ(::stat((folder / "job/vm0.qcow2").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_uid, other.uid);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    auto info = nlohmann::json::parse(
        os::run_checked({"qemu-img", "info", "--output=json", folder / "job/vm0.qcow2"}));
    EXPECT_EQ(info["backing-filename"], (folder / "mine.raw").string());
    EXPECT_EQ(info["virtual-size"], 1 << 20);
}

TEST_F(ImageCatalogue, AnImageWithoutDiskNeedsNoOverlay) {
    create_overlay(find(config, "tiny", self), folder / "vm0.qcow2", self);
    EXPECT_FALSE(fs::exists(folder / "vm0.qcow2"));
}

TEST_F(ImageCatalogue, TheCommandLineTellsTheAgentWhereTheRootIs) {
    Image image = find(config, "tiny", self);
    EXPECT_THAT(command_line(image), HasSubstr("console=ttyS0 rdinit=/holon/holon-guest panic=-1"));
    EXPECT_THAT(command_line(image), Not(HasSubstr("holon.root")));
    image.disk = "/d";
    image.root = "/dev/vda2";
    image.root_type = "xfs";
    image.command_line = "nosmt";
    EXPECT_THAT(command_line(image),
                ::testing::EndsWith(" holon.root=/dev/vda2 holon.rootfstype=xfs nosmt"));
}

TEST_F(ImageCatalogue, TheAgentsArchiveFollowsTheImagesOwnAtAMultipleOfFour) {
    write(folder / "agent", "the agent");
    fs::path initrd =
        initrd_with_agent(find(config, "tiny", self), folder / "agent", folder / "cache");
    std::string content = os::read_file(initrd);
    EXPECT_EQ(content.substr(0, 12), std::string("an archive\0\0", 12));
    EXPECT_EQ(content.substr(12, 6), "070701");
    struct stat facts {};
    ASSERT_EQ(::stat(initrd.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0644u);  // QEMU reads it as the job's user
}

TEST_F(ImageCatalogue, ANewAgentOrInitramfsGetsANewFileAndAnOldOneIsShared) {
    write(folder / "agent", "the agent");
    Image image = find(config, "tiny", self);
    fs::path first = initrd_with_agent(image, folder / "agent", folder / "cache");
    EXPECT_EQ(initrd_with_agent(image, folder / "agent", folder / "cache"), first);
    write(folder / "agent", "a better agent");
    fs::path second = initrd_with_agent(image, folder / "agent", folder / "cache");
    EXPECT_NE(second, first);
    write(folder / "images/tiny/initrd.cpio", "a newer archive");
    EXPECT_NE(initrd_with_agent(image, folder / "agent", folder / "cache"), second);
}

TEST_F(ImageCatalogue, TheEngineTravelsWithTheAgentWhereItIsWanted) {
    write(folder / "agent", "the agent");
    fs::create_directories(folder / "smp/bin");
    fs::create_directories(folder / "smp/lib");
    write(folder / "smp/bin/ssid", "the daemon");
    write(folder / "smp/lib/libc.so.6", "a library");
    Image image = find(config, "tiny", self);
    fs::path without = initrd_with_agent(image, folder / "agent", folder / "cache");
    fs::path with = initrd_with_agent(image, folder / "agent", folder / "cache", folder / "smp");
    EXPECT_NE(with, without);
    EXPECT_EQ(initrd_with_agent(image, folder / "agent", folder / "cache", folder / "smp"), with);
    const std::string content = os::read_file(with);
    for (const char* part :
         {"holon/holon-guest", "holon/smp", "holon/smp/bin", "holon/smp/bin/ssid", "the daemon",
          "holon/smp/lib/libc.so.6", "a library"})
        EXPECT_NE(content.find(part), std::string::npos) << part;
    EXPECT_LT(content.find("holon/smp/bin"), content.find("holon/smp/bin/ssid"));
    write(folder / "smp/bin/ssid", "a better daemon");
    EXPECT_NE(initrd_with_agent(image, folder / "agent", folder / "cache", folder / "smp"), with);
}

TEST_F(ImageCatalogue, AnEngineThatIsNotInstalledIsAnError) {
    write(folder / "agent", "the agent");
    EXPECT_THROW(initrd_with_agent(find(config, "tiny", self), folder / "agent", folder / "cache",
                                   folder / "nowhere"),
                 Error);
}

TEST_F(ImageCatalogue, ManyJobsStartingAtOnceShareOneFile) {
    write(folder / "agent", std::string(1 << 20, 'a'));
    Image image = find(config, "tiny", self);
    std::vector<std::string> content(8);
    std::vector<std::thread> jobs;
    for (auto& mine : content)
        jobs.emplace_back([&] {
            mine = os::read_file(initrd_with_agent(image, folder / "agent", folder / "cache"));
        });
    for (auto& job : jobs) job.join();
    for (const auto& mine : content) EXPECT_EQ(mine, content[0]);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder / "cache"), {}), 1);
}

TEST_F(ImageCatalogue, TheCpioArchiveIsReadByCpio) {
    if (!os::run({"cpio", "--version"}).ok()) GTEST_SKIP() << "cpio is not installed";
    os::RunOptions options;
    options.input = cpio_archive({{"holon", S_IFDIR | 0755, {}},
                                  {"holon/odd", S_IFREG | 0644, "abc"},
                                  {"holon/x", S_IFREG | 0755, "12345"}});
    EXPECT_EQ(options.input.size() % 4, 0u);
    EXPECT_EQ(os::run_checked({"cpio", "-t", "--quiet"}, options), "holon\nholon/odd\nholon/x\n");
    options.working_directory = folder;
    os::run_checked({"cpio", "-id", "--quiet"}, options);
    EXPECT_EQ(os::read_file(folder / "holon/odd"), "abc");
    struct stat facts {};
    ASSERT_EQ(::stat((folder / "holon/x").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, 0755u);
}

struct ImageBuild : ImageCatalogue {
    std::vector<std::string> lines;
    Progress progress = [this](const std::string& line) { lines.push_back(line); };

    std::string recipe(std::string_view body) const {
        write(folder / "mine.sh", "#!/bin/sh\n" + std::string(body), 0755);
        return folder / "mine.sh";
    }
    static constexpr auto good =
        "echo kernel; echo k >$1/vmlinux; echo i >$1/initrd\n"
        "printf 'kernel: vmlinux\\ninitrd: initrd\\n' >$1/image.yaml\n";

    std::vector<std::string> content() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(folder / "images"))
            if (entry.path().extension() != ".lock") names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }
};

TEST_F(ImageBuild, ARecipesResultAppearsInTheCatalogueUnderItsName) {
    build(config, recipe(good), "", progress);
    EXPECT_THAT(content(), ElementsAre("mine", "tiny"));
    EXPECT_THAT(lines, ElementsAre("kernel", "image 'mine' is ready"));
    EXPECT_EQ(find(config, "mine", self).kernel, folder / "images/mine/vmlinux");
}

TEST_F(ImageBuild, ABuildReplacesTheImageOfThatName) {
    build(config, recipe(good), "tiny", progress);
    EXPECT_THAT(content(), ElementsAre("tiny"));
    EXPECT_EQ(os::read_file(folder / "images/tiny/vmlinux"), "k\n");
}

TEST_F(ImageBuild, AFailedBuildSaysWhyAndLeavesTheOldImage) {
    EXPECT_THAT(message_of([&] {
                    build(config, recipe("echo the disk is full >&2; exit 3"), "tiny", progress);
                }),
                HasSubstr("mine.sh: the disk is full"));
    EXPECT_THAT(content(), ElementsAre("tiny"));
    EXPECT_EQ(os::read_file(folder / "images/tiny/vmlinux"), "a kernel");
}

TEST_F(ImageBuild, ARecipeThatLeavesABrokenImageIsAFailedBuild) {
    EXPECT_THAT(
        message_of([&] { build(config, recipe("echo x: 1 >$1/image.yaml"), "new", progress); }),
        HasSubstr("x: unknown key"));
    EXPECT_THAT(content(), ElementsAre("tiny"));
}

TEST_F(ImageBuild, WhatAKilledBuildLeftIsSweptAndNeverListed) {
    fs::create_directories(folder / "images/.mine.new/half");
    EXPECT_EQ(list(config).size(), 1u);
    build(config, recipe(good), "mine", progress);
    EXPECT_THAT(content(), ElementsAre("mine", "tiny"));
}

TEST_F(ImageBuild, AnUnknownRecipeIsRefused) {
    EXPECT_THAT(message_of([&] { build(config, "gentoo", "", progress); }),
                HasSubstr("no such recipe"));
}

TEST_F(ImageBuild, AnImportedDiskBootsWithTheKernelForUsersFiles) {
    write(folder / "theirs", ext4_disk(), 0600);
    import_disk(config, folder / "theirs", "theirs", progress);
    Image image = find(config, "theirs", self);
    EXPECT_EQ(image.disk_format, "raw");
    EXPECT_EQ(image.root, "/dev/vda");
    EXPECT_FALSE(image.user_file);
}

TEST_F(ImageBuild, ADiskThatCannotBootIsNotImported) {
    write(folder / "notes", "milk");
    EXPECT_THAT(message_of([&] { import_disk(config, folder / "notes", "notes", progress); }),
                HasSubstr((folder / "notes").string() + ": this is neither"));
    EXPECT_THAT(content(), ElementsAre("tiny"));
}

TEST_F(ImageBuild, ARemovedImageIsGone) {
    remove(config, "tiny");
    EXPECT_TRUE(content().empty());
    EXPECT_THAT(message_of([&] { remove(config, "tiny"); }), HasSubstr("none is known here"));
}

}  // namespace
}  // namespace holon::image
