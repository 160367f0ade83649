// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/continuation.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"

namespace holon::run {
namespace {

using testing::HasSubstr;

struct File : testing::Test {
    std::string name = std::filesystem::temp_directory_path() / "holon-output-XXXXXX";
    os::Fd fd;
    void SetUp() override {
        fd.reset(::mkostemp(name.data(), O_APPEND));
        ASSERT_TRUE(fd.valid());
        write("what the script wrote, then *** REQUEUE ***");
    }
    void TearDown() override { std::filesystem::remove(name); }
    void write(std::string_view text) { os::write_all(fd.get(), text.data(), text.size()); }
    SavedOutput saved(std::uint64_t length) const {
        struct stat now {};
        ::fstat(fd.get(), &now);
        return {21, SavedOutput::File{now.st_dev, now.st_ino, length}};
    }
};

TEST_F(File, IsCutBackToWhatItWasAtTheCheckpointAndGoneOnWith) {
    EXPECT_EQ(cut_back(fd.get(), saved(21), false), "");
    write(", and more");
    EXPECT_EQ(os::read_file(name), "what the script wrote, and more");
}

TEST_F(File, ThatIsAnotherOneIsLeftAsItIs) {
    SavedOutput other = saved(3);
    ++other.file->inode;
    EXPECT_THAT(cut_back(fd.get(), other, false), HasSubstr("another file"));
    EXPECT_THAT(cut_back(fd.get(), saved(1000), true), HasSubstr("shorter"));
    SavedOutput none = saved(3);
    none.file.reset();
    EXPECT_THAT(cut_back(fd.get(), none, true), HasSubstr("twice"));
    EXPECT_EQ(os::read_file(name).size(), 43u);
}

TEST_F(File, ThatIsAnotherOneIsEmptiedWhereTheUserLetSlurmEmptyIt) {
    SavedOutput other = saved(3);
    ++other.file->inode;
    EXPECT_THAT(cut_back(fd.get(), other, true), HasSubstr("another file"));
    EXPECT_EQ(os::read_file(name), "");
}

TEST_F(File, IsEmptiedWhereTheJobBegins) {
    cut_off(fd.get());
    write("new");
    EXPECT_EQ(os::read_file(name), "new");
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    cut_off(ends[1]);  // nothing happens to a pipe
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(Continuation, IsReadFromHolondsAnswer) {
    const nlohmann::json granted = {
        {"ok", true},
        {"resume",
         {{"session", "00000000000000ff"},
          {"out", {{"offset", 7}, {"file", {{"device", 1}, {"inode", 2}, {"length", 3}}}}},
          {"err", {{"offset", 9}, {"file", nullptr}}}}}};
    const auto continuation = continuation_of(granted);
    ASSERT_TRUE(continuation);
    EXPECT_EQ(continuation->session, 255u);
    EXPECT_EQ(continuation->out.offset, 7u);
    EXPECT_EQ(continuation->out.file->length, 3u);
    EXPECT_FALSE(continuation->err.file);
    EXPECT_FALSE(continuation_of({{"ok", true}}));
    EXPECT_THROW(continuation_of({{"resume", {{"session", "x"}}}}), Error);
}

}  // namespace
}  // namespace holon::run
