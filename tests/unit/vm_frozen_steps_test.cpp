// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "plugins/vm/frozen_steps.h"

namespace holon::vm {
namespace {

namespace fs = std::filesystem;

class VmFrozenSteps : public ::testing::Test {
  protected:
    fs::path top = fs::temp_directory_path() / ("holon_frozen_" + std::to_string(getpid()));
    void SetUp() override { fs::create_directories(top); }
    void TearDown() override { fs::remove_all(top); }

    void write(const fs::path& path, const std::string& text) {
        fs::create_directories((top / path).parent_path());
        std::ofstream(top / path) << text;
    }
    JobCgroup job(const fs::path& directory) {
        JobCgroup cgroup;
        cgroup.job_directories = {top / "memory/job_7", top / directory};
        return cgroup;
    }
    static bool tells(const FrozenSteps& steps) {
        pollfd entry{steps.descriptor(), POLLIN, 0};
        return ::poll(&entry, 1, 0) == 1;
    }
};

TEST_F(VmFrozenSteps, AJobIsSuspendedWhileAStepOfItIsFrozen) {
    write("freezer/job_7/freezer.state", "THAWED\n");
    write("freezer/job_7/step_extern/freezer.state", "THAWED\n");
    FrozenSteps steps(job("freezer/job_7"));
    EXPECT_FALSE(steps.look());
    EXPECT_FALSE(tells(steps));
    write("freezer/job_7/step_extern/freezer.state", "FREEZING\n");
    EXPECT_TRUE(tells(steps));
    EXPECT_TRUE(steps.look());
    EXPECT_FALSE(tells(steps));
    write("freezer/job_7/step_extern/freezer.state", "THAWED\n");
    EXPECT_TRUE(tells(steps));
    EXPECT_FALSE(steps.look());
}

TEST_F(VmFrozenSteps, StepsThatBeginLaterAreSeen) {
    write("freezer/job_7/freezer.state", "THAWED\n");
    FrozenSteps steps(job("freezer/job_7"));
    EXPECT_FALSE(steps.look());
    write("freezer/job_7/step_0/freezer.state", "THAWED\n");
    EXPECT_TRUE(tells(steps));
    EXPECT_FALSE(steps.look());
    write("freezer/job_7/step_0/freezer.state", "FROZEN\n");
    EXPECT_TRUE(tells(steps));
    EXPECT_TRUE(steps.look());
    fs::remove_all(top / "freezer/job_7/step_0");
    EXPECT_TRUE(tells(steps));
    EXPECT_FALSE(steps.look());
}

TEST_F(VmFrozenSteps, InVersion2TheUsersPartOfAStepIsFrozen) {
    write("job_7/cgroup.freeze", "0\n");
    write("job_7/step_batch/cgroup.freeze", "0\n");
    write("job_7/step_batch/user/cgroup.freeze", "0\n");
    FrozenSteps steps(job("job_7"));
    EXPECT_FALSE(steps.look());
    write("job_7/step_batch/user/cgroup.freeze", "1\n");
    EXPECT_TRUE(tells(steps));
    EXPECT_TRUE(steps.look());
}

// Its own state, whoever changes it, is nothing that Slurm says.
TEST_F(VmFrozenSteps, TheLeafOfTheVmsDoesNotCount) {
    write("freezer/job_7/freezer.state", "THAWED\n");
    write("freezer/job_7/holon/freezer.state", "FROZEN\n");
    FrozenSteps steps(job("freezer/job_7"));
    EXPECT_FALSE(steps.look());
}

TEST_F(VmFrozenSteps, AJobWithoutAFreezerIsNeverSuspended) {
    write("memory/job_7/step_0/memory.max", "max\n");
    FrozenSteps steps(job("memory/job_7"));
    EXPECT_FALSE(steps.look());
}

}  // namespace
}  // namespace holon::vm
