// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/configure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "guest/files.h"
#include "guest/json.h"

namespace holon::guest {
namespace {

using ::testing::HasSubstr;

const User alice{"alice",       1000,      1000,
                 "/home/alice", "/bin/sh", {{"alice", 1000}, {"project", 2000}}};

TEST(GuestUsers, AreAppendedToTheImagesOwn) {
    EXPECT_EQ(passwd_with("root:x:0:0:root:/root:/bin/bash\n", alice),
              "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:alice:/home/alice:/bin/sh\n");
    EXPECT_EQ(group_with("root:x:0:\n", alice), "root:x:0:\nalice:x:1000:\nproject:x:2000:alice\n");
    EXPECT_EQ(shadow_with("root:*:1:0:99999:7:::\n", alice),
              "root:*:1:0:99999:7:::\nalice:*:19000:0:99999:7:::\n");
}

TEST(GuestUsers, AnEntryOfTheSameNameWithAnotherNumberIsReplaced) {
    EXPECT_EQ(passwd_with("alice:x:5:5::/old:/bin/no\nbin:x:2:2:::\n", alice),
              "bin:x:2:2:::\nalice:x:1000:1000:alice:/home/alice:/bin/sh\n");
    EXPECT_EQ(group_with("project:x:7:bob\n", alice), "alice:x:1000:\nproject:x:2000:alice\n");
}

TEST(GuestUsers, TheNumberIsShownWithTheUsersNameThoughTheImageKnowsAnother) {
    EXPECT_EQ(
        passwd_with("root:x:0:0::/root:/bin/sh\ndebian:x:1000:1000::/home/debian:/bin/sh\n", alice),
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:alice:/home/alice:/bin/sh\n"
        "debian:x:1000:1000::/home/debian:/bin/sh\n");
}

TEST(GuestUsers, MembersOfAGroupAreKept) {
    EXPECT_THAT(group_with("project:x:2000:bob,carol\n", alice),
                HasSubstr("project:x:2000:bob,carol,alice\n"));
}

TEST(GuestUsers, AddingTwiceIsAddingOnce) {
    const auto once = group_with("root:x:0:\n", alice);
    EXPECT_EQ(group_with(once, alice), once);
    const auto passwd = passwd_with("root:x:0:0:::\n", alice);
    EXPECT_EQ(passwd_with(passwd, alice), passwd);
}

class GuestConfigure : public ::testing::Test {
  protected:
    GuestConfigure() {
        std::string name = "/tmp/holon-guest-test-XXXXXX";
        root = ::mkdtemp(name.data());
        write_file(root + "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0644);
        write_file(root + "/etc/shadow", "root:*:1:0:99999:7:::\n", 0640);
        write_file(root + "/bin/sh", "", 0755);
    }
    ~GuestConfigure() override { std::filesystem::remove_all(root); }

    static Json config() {
        return Json::parse(R"({
            "hostname": "vm0",
            "hosts": [["10.77.0.1","vm0"], ["10.77.0.2","vm1"]],
            "network": {"mac":"02:00:00:00:00:01","address":"10.77.0.1","prefix":16,"mtu":1450},
            "user": {"name":"alice","uid":1000,"gid":1000,"home":"/home/alice","shell":"/bin/zsh",
                     "groups":[{"name":"alice","gid":1000}]},
            "ssh": {"host_private":"HOST PRIVATE","host_public":"ssh-ed25519 HOST",
                    "user_private":"USER PRIVATE","user_public":"ssh-ed25519 USER"},
            "files": [{"path":"/run/holon/hostfile","mode":416,"content":"vm0 slots=2\n"}],
            "entropy": "00ffa5", "time_ns": 1 })");
    }
    void apply(const Json& json) {
        auto parsed = parse_config(json.dump());
        write_config(root, parsed);
    }
    std::string read(const std::string& path) const { return read_file_or_empty(root + path); }
    struct stat status(const std::string& path) const {
        struct stat result {};
        EXPECT_EQ(::stat((root + path).c_str(), &result), 0) << path;
        return result;
    }

    std::string root;
};

TEST_F(GuestConfigure, WritesNamesAndFiles) {
    apply(config());
    EXPECT_EQ(read("/etc/hostname"), "vm0\n");
    EXPECT_THAT(read("/etc/hosts"), HasSubstr("127.0.0.1 localhost\n"));
    EXPECT_THAT(read("/etc/hosts"), HasSubstr("10.77.0.1 vm0\n10.77.0.2 vm1\n"));
    EXPECT_EQ(read("/run/holon/hostfile"), "vm0 slots=2\n");
    EXPECT_EQ(status("/run/holon/hostfile").st_mode & 07777, 0640u);
}

TEST_F(GuestConfigure, AShellTheImageDoesNotHaveBecomesSh) {
    apply(config());
    EXPECT_THAT(read("/etc/passwd"), HasSubstr("alice:x:1000:1000:alice:/home/alice:/bin/sh\n"));
    EXPECT_EQ(status("/etc/shadow").st_mode & 07777, 0640u);
}

TEST_F(GuestConfigure, TheKeysAreReadableByTheirOwnersOnly) {
    apply(config());
    EXPECT_EQ(read("/home/alice/.ssh/id_ed25519"), "USER PRIVATE\n");
    EXPECT_EQ(status("/home/alice/.ssh/id_ed25519").st_mode & 07777, 0600u);
    EXPECT_EQ(status("/home/alice/.ssh").st_mode & 07777, 0700u);
    EXPECT_EQ(status("/run/holon/ssh/host_key").st_mode & 07777, 0600u);
    EXPECT_EQ(read("/etc/ssh/ssh_known_hosts"), "vm0,10.77.0.1,vm1,10.77.0.2 ssh-ed25519 HOST\n");
    if (::getuid() == 0) {
        EXPECT_EQ(status("/home/alice/.ssh/id_ed25519").st_uid, 1000u);
        EXPECT_EQ(status("/home/alice").st_uid, 1000u);
        EXPECT_EQ(status("/run/holon/ssh/host_key").st_uid, 0u);
    }
}

TEST_F(GuestConfigure, AKeyOfTheUsersOwnIsNotReplaced) {
    write_file(root + "/home/alice/.ssh/id_ed25519", "MINE\n", 0600);
    apply(config());
    EXPECT_EQ(read("/home/alice/.ssh/id_ed25519"), "MINE\n");
    EXPECT_EQ(read("/run/holon/ssh/user_key"), "USER PRIVATE\n");
    EXPECT_THAT(read("/etc/ssh/ssh_config.d/holon.conf"),
                HasSubstr("Host vm0 10.77.0.1 vm1 10.77.0.2\n"));
}

TEST_F(GuestConfigure, SshdLetsTheJobsUserInWithTheJobsKeyOnly) {
    const auto text = sshd_config(alice, "10.77.0.1");
    EXPECT_THAT(text, HasSubstr("ListenAddress 10.77.0.1\n"));
    EXPECT_THAT(text, HasSubstr("AllowUsers alice\n"));
    EXPECT_THAT(text, HasSubstr("PermitRootLogin no\n"));
    EXPECT_THAT(text, HasSubstr("PasswordAuthentication no\n"));
    EXPECT_THAT(text, HasSubstr("AuthorizedKeysFile /run/holon/ssh/authorized_keys\n"));
}

TEST_F(GuestConfigure, MayBeRepeated) {
    apply(config());
    const auto before =
        read("/etc/passwd") + read("/etc/group") + read("/etc/shadow") + read("/etc/hosts");
    apply(config());
    EXPECT_EQ(read("/etc/passwd") + read("/etc/group") + read("/etc/shadow") + read("/etc/hosts"),
              before);
}

TEST_F(GuestConfigure, RefusesWhatWouldBreakTheAccountFiles) {
    for (const auto* name : {"", "a:b", "a\nroot"}) {
        auto json = config();
        json["user"]["name"] = name;
        EXPECT_THROW(apply(json), std::runtime_error);
    }
    auto json = config();
    json["files"][0]["path"] = "relative";
    EXPECT_THROW(apply(json), std::runtime_error);
    EXPECT_THROW(parse_config("{}"), std::exception);
    EXPECT_THROW(parse_config(R"({"hostname":"x","user":7})"), std::exception);
}

TEST_F(GuestConfigure, AVmOfAVirtualSmpKnowsItsPart) {
    EXPECT_FALSE(parse_config(config().dump()).smp);
    auto json = config();
    json["smp"] = {{"name", "vm1"},       {"address", "10.77.0.2"},
                   {"home", "10.77.0.1"}, {"key", "00ff41"},
                   {"nodes", 3},          {"encrypted", true}};
    const auto smp = parse_config(json.dump()).smp;
    ASSERT_TRUE(smp);
    EXPECT_EQ(smp->key, std::string("\0\xff\x41", 3));
    EXPECT_FALSE(smp->is_home());
    EXPECT_EQ(smp->nodes, 3u);
}

TEST(GuestSsid, TheHomeWaitsForAllNodesAndTheOthersJoinIt) {
    SmpConfig part{"vm1", "10.77.0.2", "10.77.0.1", "key", 3, true};
    EXPECT_THAT(ssid_arguments(part, 3),
                ::testing::IsSupersetOf({"--listen", "10.77.0.2", "--join", "10.77.0.1", "--name",
                                         "vm1", "--ready-fd", "3", "--nodes", "1"}));
    EXPECT_THAT(ssid_arguments(part, 3), ::testing::Not(::testing::Contains("--plain")));
    part.home = part.address;
    part.encrypted = false;
    EXPECT_THAT(ssid_arguments(part, 3), ::testing::IsSupersetOf({"--nodes", "3", "--plain"}));
    EXPECT_THAT(ssid_arguments(part, 3), ::testing::Not(::testing::Contains("--join")));
    EXPECT_THAT(ssid_arguments(part, -1), ::testing::Not(::testing::Contains("--ready-fd")));
}

}  // namespace
}  // namespace holon::guest
