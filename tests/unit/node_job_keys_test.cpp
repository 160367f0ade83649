// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "plugins/node/job_keys.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"

namespace holon::node {
namespace {

const std::string seed(64, 'a');

std::string key_type_and_blob(const std::string& public_text) {
    return public_text.substr(0, public_text.find(' ', public_text.find(' ') + 1));
}

TEST(SshKeys, OpenSshReadsThePrivateKeyAndFindsTheSamePublicKey) {
    auto key = derive_ssh_key(seed, "user", "alice@holon-job-42");
    std::string folder = std::filesystem::temp_directory_path() / "holon-key-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    os::write_file_atomically(std::filesystem::path(folder) / "key", key.private_text, 0600);
    std::string shown = os::run_checked({"ssh-keygen", "-y", "-f", folder + "/key"});
    os::remove_tree(folder);
    EXPECT_EQ(shown, key.public_text + "\n");
}

TEST(SshKeys, EveryNodeDerivesTheSameKeyFromTheSameSeed) {
    EXPECT_EQ(derive_ssh_key(seed, "host", "c").private_text,
              derive_ssh_key(seed, "host", "c").private_text);
}

TEST(SshKeys, HostAndUserKeysAndKeysOfOtherJobsDiffer) {
    auto user = derive_ssh_key(seed, "user", "c").public_text;
    EXPECT_NE(key_type_and_blob(user),
              key_type_and_blob(derive_ssh_key(seed, "host", "c").public_text));
    EXPECT_NE(key_type_and_blob(user),
              key_type_and_blob(derive_ssh_key(std::string(64, 'b'), "user", "c").public_text));
}

TEST(SshKeys, AMalformedSeedIsRefused) {
    EXPECT_THROW(derive_ssh_key("abc", "user", "c"), Error);
    EXPECT_THROW(derive_ssh_key(std::string(64, 'x'), "user", "c"), Error);
}

TEST(EngineKey, IsTheSameOnEveryNodeOfAJobAndNoOtherJobs) {
    const auto key = derive_engine_key(seed);
    EXPECT_EQ(key, derive_engine_key(seed));
    EXPECT_EQ(key.size(), 64u);
    EXPECT_EQ(key.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_NE(key, derive_engine_key(std::string(64, 'b')));
    EXPECT_THROW(derive_engine_key("no seed"), Error);
}

}  // namespace
}  // namespace holon::node
