// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"

namespace holon::os {
namespace {

struct TemporaryFolder : ::testing::Test {
    std::filesystem::path folder;
    void SetUp() override {
        std::string name = std::filesystem::temp_directory_path() / "holon-os-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder = name;
    }
    void TearDown() override { remove_tree(folder); }
};

using File = TemporaryFolder;
using Process = TemporaryFolder;

std::string message_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST_F(File, AnAtomicWriteReplacesTheContentAndLeavesNoTemporaryFile) {
    write_file_atomically(folder / "a", "old", 0600);
    write_file_atomically(folder / "a", "new", 0640);
    EXPECT_EQ(read_file(folder / "a"), "new");
    struct stat status {};
    ASSERT_EQ(::stat((folder / "a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0640u);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.tmp"));
}

TEST_F(File, AMissingFileIsNamedInTheErrorAndIsNulloptWhereItMayBeMissing) {
    EXPECT_EQ(read_file_if_exists(folder / "none"), std::nullopt);
    EXPECT_EQ(message_of([&] { read_file(folder / "none"); }),
              (folder / "none").string() + ": No such file or directory");
}

TEST_F(File, RemovingATreeTwiceIsNotAnErrorAndDoesNotFollowLinks) {
    std::filesystem::create_directories(folder / "tree/deep");
    write_file_atomically(folder / "kept", "x", 0600);
    std::filesystem::create_symlink(folder / "kept", folder / "tree/link");
    remove_tree(folder / "tree");
    remove_tree(folder / "tree");
    EXPECT_FALSE(std::filesystem::exists(folder / "tree"));
    EXPECT_TRUE(std::filesystem::exists(folder / "kept"));
}

TEST_F(Process, OutputAndErrorsAreKeptApartAndInputIsFed) {
    RunResult result = run({"sh", "-c", "cat; echo problem >&2; exit 3"}, {.input = "text"});
    EXPECT_EQ(result.out, "text");
    EXPECT_EQ(result.err, "problem\n");
    EXPECT_EQ(WEXITSTATUS(result.status), 3);
}

TEST_F(Process, ALargeInputAndALargeOutputDoNotBlockEachOther) {
    std::string large(4u << 20, 'x');
    EXPECT_EQ(run({"cat"}, {.input = large}).out, large);
}

TEST_F(Process, AFailingProgramIsAnErrorWithItsLastLine) {
    EXPECT_EQ(message_of([] {
                  run_checked({"sh", "-c", "echo first >&2; echo last >&2; exit 1"});
              }),
              "sh: last");
    EXPECT_EQ(message_of([] { run_checked({"/no/such/program"}); }),
              "/no/such/program: /no/such/program: No such file or directory");
}

TEST_F(Process, AProgramThatDoesNotEndIsKilledAtItsTimeout) {
    EXPECT_EQ(message_of([] {
                  run({"sleep", "100"}, {.timeout = std::chrono::milliseconds(100)});
              }),
              "sleep: no end after 0 s; killed");
}

TEST_F(Process, TextWithShellCharactersIsPassedUntouched) {
    EXPECT_EQ(run_checked({"printf", "%s", "$(id); `id` \"'*"}), "$(id); `id` \"'*");
}

TEST_F(Process, AFileIsOpenedWithTheRightsOfTheUserNotOfTheDaemon) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    ::chmod(folder.c_str(), 0755);
    write_file_atomically(folder / "secret", "x", 0600);
    write_file_atomically(folder / "shared", "y", 0644);
    std::filesystem::create_symlink(folder / "secret", folder / "link");
    Identity nobody{65534, 65534, {}, "nobody", "/", "/bin/sh"};
    EXPECT_EQ(message_of([&] { open_as(nobody, folder / "secret", O_RDONLY); }),
              (folder / "secret").string() + ": Permission denied");
    EXPECT_EQ(message_of([&] { open_as(nobody, folder / "link", O_RDONLY); }),
              (folder / "link").string() + ": Permission denied");
    EXPECT_TRUE(open_as(nobody, folder / "shared", O_RDONLY).valid());
}

TEST_F(Process, AProgramRunAsAUserHasOnlyThatUsersIdentity) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    Identity who{12345, 12346, {12347}, "", "/", ""};
    EXPECT_EQ(run_checked({"id", "-u"}, {.as = who}), "12345\n");
    EXPECT_EQ(run_checked({"id", "-G"}, {.as = who}), "12346 12347\n");
}

// What PIPE gives until its end, or until a minute has passed without any.
std::string read_all(int pipe) {
    std::string text;
    char bytes[4096];
    for (pollfd entry{pipe, POLLIN, 0}; ::poll(&entry, 1, 60'000) > 0;) {
        const ssize_t n = ::read(pipe, bytes, sizeof bytes);
        if (n <= 0) return text;
        text.append(bytes, static_cast<size_t>(n));
    }
    return text + " and no end";
}

TEST_F(Process, AProgramRunAsAUserDiesWithTheDaemonThatRunsIt) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    ::chmod(folder.c_str(), 0755);
    const std::filesystem::path fifo = folder / "fifo";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    ASSERT_EQ(::chown(fifo.c_str(), 12345, 12345), 0);
    Fd said(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK));
    // Orphans come to this process, which can so wait for their end.
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t daemon = ::fork();
    if (daemon == 0) {
        try {
            run({"sh", "-c", "echo $$ >\"$0\"; exec sleep 600", fifo.string()},
                {.as = Identity{12345, 12345, {}, "", "/", ""},
                 .timeout = std::chrono::minutes(20)});
        } catch (const std::exception&) {
        }
        ::_exit(0);
    }
    pollfd entry{said.get(), POLLIN, 0};
    ASSERT_GT(::poll(&entry, 1, 60'000), 0);
    const pid_t program =
        static_cast<pid_t>(std::strtol(read_all(said.get()).c_str(), nullptr, 10));
    ASSERT_GT(program, 0);
    ::kill(daemon, SIGKILL);
    ASSERT_EQ(::waitpid(daemon, nullptr, 0), daemon);
    int status = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    pid_t ended = 0;
    while ((ended = ::waitpid(program, &status, WNOHANG)) == 0 &&
           std::chrono::steady_clock::now() < deadline)
        ::poll(nullptr, 0, 10);
    if (ended == 0) {
        ::kill(program, SIGKILL);
        ::waitpid(program, nullptr, 0);
    }
    EXPECT_EQ(ended, program) << "it outlived the daemon";
    ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(Process, AChildIsFedReadAndWaitedForWhileItRuns) {
    int in[2], out[2];
    ASSERT_EQ(::pipe2(in, O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    Fd feed(in[1]), result(out[0]);
    Child child({"sh", "-c", "cat; echo done >&2; exit 3"}, {}, Fd(in[0]), Fd(out[1]));
    ASSERT_EQ(::write(feed.get(), "abc", 3), 3);
    feed.reset();
    EXPECT_EQ(read_all(result.get()), "abc");
    EXPECT_EQ(read_all(child.messages().get()), "done\n");
    EXPECT_EQ(WEXITSTATUS(child.wait()), 3);
}

TEST_F(Process, AChildThatNobodyWantsAnyMoreIsKilled) {
    int out[2];
    ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
    Fd result(out[0]);
    {
        Child child({"sleep", "600"}, {}, Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                    Fd(out[1]));
    }
    EXPECT_EQ(read_all(result.get()), "");
}

}  // namespace
}  // namespace holon::os
