// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "plugins/checkpoint/manifest.h"
#include "plugins/os/fd.h"

namespace holon::run {
namespace {

// As holond reads it.
checkpoint::SavedStream stream_of(const Output& output, std::uint64_t offset) {
    const nlohmann::json session = {{"id", "0000000000000001"},
                                    {"vm", 0},
                                    {"step", "batch"},
                                    {"streams", {output.mark("out", offset)}}};
    return checkpoint::saved_session_from_json(session.dump()).streams.at(0);
}

TEST(RunOutput, AFileIsMarkedWithItsIdentityAndLength) {
    std::string name = testing::TempDir() + "holon-output-XXXXXX";
    const os::Fd file(::mkstemp(name.data()));
    ASSERT_TRUE(file.valid());
    ::unlink(name.c_str());
    Output output(file.get());
    ASSERT_EQ(output.write("before "), 7u);
    ASSERT_EQ(output.write("the cut"), 7u);
    struct stat facts {};
    ASSERT_EQ(::fstat(file.get(), &facts), 0);
    const auto stream = stream_of(output, 14);
    EXPECT_EQ(stream.offset, 14u);
    ASSERT_TRUE(stream.file);
    EXPECT_EQ(stream.file->device, facts.st_dev);
    EXPECT_EQ(stream.file->inode, facts.st_ino);
    EXPECT_EQ(stream.file->length, 14u);
}

TEST(RunOutput, OfAPipeItIsSaidThatItCannotBeCutBack) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const os::Fd read(ends[0]), write(ends[1]);
    const auto stream = stream_of(Output(write.get()), 5);
    EXPECT_FALSE(stream.file);
    EXPECT_EQ(stream.excluded, "a pipe");
    EXPECT_EQ(stream.offset, 5u);
}

}  // namespace
}  // namespace holon::run
