// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/restore_hooks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "guest/files.h"

namespace holon::guest {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class GuestRestoreHooks : public ::testing::Test {
  protected:
    GuestRestoreHooks() {
        std::string name = "/tmp/holon-hooks-test-XXXXXX";
        root = ::mkdtemp(name.data());
        hooks.folder = root + "/restore.d";
        hooks.from = "41/2";
        hooks.job = "57.0";
    }
    ~GuestRestoreHooks() override { std::filesystem::remove_all(root); }

    void add(const std::string& name, const std::string& text, mode_t mode = 0755) {
        write_file(hooks.folder + "/" + name, "#!/bin/sh\n" + text + "\n", mode);
    }
    // What the hooks have said, in the order in which they ran.
    std::string run() {
        bool done = false;
        run_restore_hooks(loop, reaper, hooks, [&] { done = true; });
        const auto deadline = Loop::Clock::now() + 60s;
        while (!done && Loop::Clock::now() < deadline) loop.turn(100ms);
        EXPECT_TRUE(done) << "the hooks have not ended in time";
        return read_file_or_empty(root + "/said");
    }

    std::string root;
    RestoreHooks hooks;
    Loop loop;
    Reaper reaper{loop};
};

TEST_F(GuestRestoreHooks, AreNoneWhereThereIsNoFolder) { EXPECT_EQ(run(), ""); }

TEST_F(GuestRestoreHooks, RunOneAfterAnotherInTheOrderOfTheirNames) {
    add("20-second", "echo second >>" + root + "/said");
    add("10-first", "sleep 0.1; echo first >>" + root + "/said");
    EXPECT_EQ(run(), "first\nsecond\n");
}

TEST_F(GuestRestoreHooks, KnowTheCheckpointAndTheJob) {
    add("hook", "echo $HOLON_RESTORED_FROM $HOLON_JOB >" + root + "/said");
    EXPECT_EQ(run(), "41/2 57.0\n");
}

TEST_F(GuestRestoreHooks, AreExecutableFilesWithPlainNames) {
    add("not-executable", "echo no >>" + root + "/said", 0644);
    add("backup~", "echo no >>" + root + "/said");
    add("old.dpkg-old", "echo no >>" + root + "/said");
    std::filesystem::create_directory(hooks.folder + "/folder");
    add("hook", "echo yes >>" + root + "/said");
    EXPECT_EQ(run(), "yes\n");
}

TEST_F(GuestRestoreHooks, ThatFailKeepNobodyFromGoingOn) {
    add("1", "exit 3");
    add("2", "kill -KILL $$");
    write_file(hooks.folder + "/3", "#!/no/such/interpreter\n", 0755);
    add("4", "echo yes >>" + root + "/said");
    EXPECT_EQ(run(), "yes\n");
}

TEST_F(GuestRestoreHooks, ThatTakeTooLongAreKilledWithWhatTheyStartedAndTheRestDoesNotRun) {
    hooks.limit = 500ms;
    add("1", "sleep 1000 & echo $! >" + root + "/sleeper; wait");
    add("2", "echo yes >>" + root + "/said");
    EXPECT_EQ(run(), "");
    const std::string pid = read_file_or_empty(root + "/sleeper");
    ASSERT_NE(pid, "");
    const auto gone = [&] {  // killed, if perhaps not yet collected
        const auto status =
            read_file_or_empty("/proc/" + std::to_string(std::atoi(pid.c_str())) + "/stat");
        return status.empty() || status.find(") Z ") != std::string::npos;
    };
    const auto deadline = Loop::Clock::now() + 60s;
    while (!gone() && Loop::Clock::now() < deadline) loop.turn(10ms);
    EXPECT_TRUE(gone());
}

}  // namespace
}  // namespace holon::guest
