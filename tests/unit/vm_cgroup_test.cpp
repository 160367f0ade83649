// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "plugins/os/error.h"
#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A tree of files that looks like /sys/fs/cgroup, with the mountinfo that goes with it.
class VmCgroup : public ::testing::Test {
  protected:
    fs::path top = fs::temp_directory_path() / ("holon_cgroup_" + std::to_string(getpid()));
    void SetUp() override { fs::create_directories(top); }
    void TearDown() override { fs::remove_all(top); }

    void file(const fs::path& path, const std::string& text) {
        fs::create_directories((top / path).parent_path());
        std::ofstream(top / path) << text;
    }
    std::string mount(const std::string& point, const std::string& options,
                      const std::string& root = "/", const std::string& type = "cgroup") {
        return "33 31 0:30 " + root + " " + (top / point).string() + " rw,relatime - " + type +
               " cgroup rw," + options + "\n";
    }
};

TEST_F(VmCgroup, FindsTheJobInEveryHierarchyOfVersion1WhereItIs) {
    file("memory/slurm/uid_1000/job_42/memory.limit_in_bytes", "536870912\n");
    file("cpuset/slurm/uid_1000/job_42/cpuset.cpus", "0-1\n");
    JobCgroup found = find_job_cgroup(
        "5:devices:/\n4:memory:/slurm/uid_1000/job_42/step_extern/task_special\n"
        "3:cpuset:/slurm/uid_1000/job_42/step_extern\n0::/\n",
        mount("memory", "memory") + mount("cpuset", "cpuset") + mount("devices", "devices"), 42);
    EXPECT_THAT(found.job_directories, UnorderedElementsAre(top / "memory/slurm/uid_1000/job_42",
                                                            top / "cpuset/slurm/uid_1000/job_42"));
    EXPECT_EQ(found.memory_limit_mb, 512u);
    EXPECT_EQ(found.cpus, "0-1");
}

TEST_F(VmCgroup, FindsControllersThatAreMountedTogether) {
    fs::create_directories(top / "cpu,cpuacct/slurm/job_42");
    JobCgroup found = find_job_cgroup("2:cpu,cpuacct:/slurm/job_42/step_0\n",
                                      mount("cpu,cpuacct", "cpu,cpuacct"), 42);
    EXPECT_THAT(found.job_directories, UnorderedElementsAre(top / "cpu,cpuacct/slurm/job_42"));
}

TEST_F(VmCgroup, FindsTheJobOfVersion2WithItsEffectiveCpus) {
    const fs::path job = "system.slice/slurmstepd.scope/job_42";
    file(job / "memory.max", "1073741824\n");
    file(job / "cpuset.cpus", "\n");
    file(job / "cpuset.cpus.effective", "2-3\n");
    JobCgroup found =
        find_job_cgroup("0::/system.slice/slurmstepd.scope/job_42/step_extern/user/task_special\n",
                        mount("", "nsdelegate", "/", "cgroup2"), 42);
    EXPECT_THAT(found.job_directories, UnorderedElementsAre(top / job));
    EXPECT_EQ(found.memory_limit_mb, 1024u);
    EXPECT_EQ(found.cpus, "2-3");
}

TEST_F(VmCgroup, ReadsNoLimitAsNone) {
    file("memory/job_42/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(
        find_job_cgroup("4:memory:/job_42/x\n", mount("memory", "memory"), 42).memory_limit_mb, 0u);
    file("v2/job_42/memory.max", "max\n");
    EXPECT_EQ(
        find_job_cgroup("0::/job_42/x\n", mount("v2", "x", "/", "cgroup2"), 42).memory_limit_mb,
        0u);
}

TEST_F(VmCgroup, CutsTheRootOfABindMountedHierarchyButNotALongerName) {
    fs::create_directories(top / "memory/job_42");
    fs::create_directories(top / "memory/containers/job_42");
    EXPECT_THAT(find_job_cgroup("4:memory:/container/job_42/s\n",
                                mount("memory", "memory", "/container"), 42)
                    .job_directories,
                UnorderedElementsAre(top / "memory/job_42"));
    EXPECT_THAT(find_job_cgroup("4:memory:/containers/job_42/s\n",
                                mount("memory", "memory", "/container"), 42)
                    .job_directories,
                UnorderedElementsAre(top / "memory/containers/job_42"));
}

TEST_F(VmCgroup, TakesNoOtherJobForThisOne) {
    fs::create_directories(top / "memory/job_420");
    fs::create_directories(top / "memory/job_42");
    EXPECT_THAT(find_job_cgroup("4:memory:/job_420/step_0\n", mount("memory", "memory"), 42)
                    .job_directories,
                IsEmpty());
    EXPECT_THROW(find_job_cgroup(getpid(), 42), Error);
}

TEST_F(VmCgroup, SurvivesLinesThatItDoesNotUnderstand) {
    EXPECT_THAT(find_job_cgroup("\nx\n:\n::\n4:memory\n", "\n- \na b c - \n", 42).job_directories,
                IsEmpty());
}

TEST_F(VmCgroup, CountsOomKillsOfTheJobAndItsLeaf) {
    file("m/job_42/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    file("m/job_42/holon/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    EXPECT_EQ(oom_kills({{top / "m/job_42"}, 0, ""}), 3u);
    file("v2/job_42/memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 4\n");
    EXPECT_EQ(oom_kills({{top / "v2/job_42"}, 0, ""}), 4u);
    EXPECT_EQ(oom_kills({{top / "gone"}, 0, ""}), 0u);
}

}  // namespace
}  // namespace holon::vm
