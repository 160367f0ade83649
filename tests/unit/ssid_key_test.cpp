// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

using testing::HasSubstr;

class KeyFile : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/ssid_key_XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        folder_ = name;
        path_ = folder_ / "key";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    void write(std::size_t size, mode_t mode) {
        std::ofstream(path_) << std::string(size, 'x');
        ::chmod(path_.c_str(), mode);
    }
    std::string refusal() {
        try {
            read_key(path_);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }
    std::filesystem::path folder_, path_;
};

TEST_F(KeyFile, OfTheOwnerAloneIsRead) {
    write(32, 0600);
    EXPECT_EQ(refusal(), "");
    EXPECT_EQ(read_key(path_).sign({"a"}), Key(std::string(32, 'x')).sign({"a"}));
    write(4096, 0400);
    EXPECT_EQ(refusal(), "");
}

TEST_F(KeyFile, ThatOthersCanReadIsRefused) {
    for (mode_t mode : {0640u, 0604u, 0620u, 0602u, 0700u}) {
        write(32, mode);
        EXPECT_THAT(refusal(), HasSubstr("chmod 600")) << std::oct << mode;
    }
}

TEST_F(KeyFile, OfTheWrongLengthIsRefused) {
    write(31, 0600);
    EXPECT_THAT(refusal(), HasSubstr("this file 31"));
    write(4097, 0600);
    EXPECT_THAT(refusal(), HasSubstr("this file more"));
}

TEST_F(KeyFile, ThatIsNotThereIsExplained) { EXPECT_THAT(refusal(), HasSubstr("/dev/urandom")); }

TEST_F(KeyFile, ThatIsNoFileIsRefused) {
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_THAT(refusal(), HasSubstr("not a regular file"));
}

TEST(Key, PartsAreNotRunTogether) {
    const Key key(std::string(32, 'k'));
    EXPECT_NE(key.sign({"ab", "c"}), key.sign({"a", "bc"}));
    EXPECT_NE(key.sign({"abc"}), key.sign({"abc", ""}));
}

}  // namespace
}  // namespace holon::ssi::daemon
