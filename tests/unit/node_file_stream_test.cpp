// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/file_stream.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <random>
#include <string>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::node {
namespace {

class NodeFileStream : public ::testing::Test {
  protected:
    void SetUp() override {
        int ends[2] = {-1, -1};
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        near.reset(ends[0]);
        far.reset(ends[1]);
    }
    static os::Fd file(const std::string& bytes) {
        os::Fd made(::memfd_create("disk", MFD_CLOEXEC));
        EXPECT_EQ(::write(made.get(), bytes.data(), bytes.size()),
                  static_cast<ssize_t>(bytes.size()));
        return made;
    }
    static std::string contents(const os::Fd& file) {
        std::string bytes(static_cast<std::size_t>(::lseek(file.get(), 0, SEEK_END)), '\0');
        EXPECT_EQ(::pread(file.get(), bytes.data(), bytes.size(), 0),
                  static_cast<ssize_t>(bytes.size()));
        return bytes;
    }
    static std::string noise(std::size_t size) {
        std::mt19937_64 random(3);
        std::string bytes(size, '\0');
        for (auto& byte : bytes) byte = static_cast<char>(random());
        return bytes;
    }
    os::Fd near, far;
};

TEST_F(NodeFileStream, AFileIsTheSameAtTheOtherEndWhateverWasThere) {
    const std::string bytes = noise(3'000'001);
    const os::Fd from = file(bytes), to = file(std::string(5'000'000, 'x'));
    auto sender = std::async(std::launch::async, [&] { send_file(from.get(), near.get()); });
    receive_file(far.get(), to.get(), bytes.size());
    sender.get();
    EXPECT_EQ(contents(to), bytes);
}

TEST_F(NodeFileStream, OneThatIsTooLargeIsRefused) {
    const os::Fd from = file(noise(100)), to = file("");
    auto sender = std::async(std::launch::async, [&] { send_file(from.get(), near.get()); });
    EXPECT_THROW(receive_file(far.get(), to.get(), 99), Error);
    far.reset();
    EXPECT_THROW(sender.get(), Error);
}

TEST_F(NodeFileStream, AnEndInTheMiddleIsNoticed) {
    const os::Fd to = file("");
    ASSERT_EQ(::write(near.get(), "\x0a\0\0\0\0\0\0\0abc", 11), 11);
    near.reset();
    EXPECT_THROW(receive_file(far.get(), to.get(), 1000), Error);
}

TEST_F(NodeFileStream, ThatItArrivedIsNotBelievedWithoutAnAnswer) {
    const os::Fd from = file("abc");
    auto sender = std::async(std::launch::async, [&] { send_file(from.get(), near.get()); });
    char bytes[11];
    for (std::size_t got = 0; got < sizeof bytes;)
        got += static_cast<std::size_t>(::read(far.get(), bytes + got, sizeof bytes - got));
    far.reset();
    EXPECT_THROW(sender.get(), Error);
}

}  // namespace
}  // namespace holon::node
