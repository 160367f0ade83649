// SPDX-License-Identifier: GPL-2.0-or-later
// plugins/vm against a real libvirtd, real QEMUs and real cgroups. Run by hypervisor_test.sh, which
// makes the place.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "bench.h"
#include "fixture.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "save_trial.h"

namespace holon::vm {
namespace {

using trial::Console;
using trial::machine;

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

using HypervisorTrial = trial::HypervisorFixture;

TEST_F(HypervisorTrial, QemuIsTheUsersAndGuestMemoryIsTouchedOnlyInsideTheJob) {
    trial::Job job(512);
    const JobCgroup cgroup = find_job_cgroup(job.member(), trial::job_id);
    ASSERT_EQ(cgroup.job_directories.size(), job.directories.size());
    EXPECT_EQ(cgroup.memory_limit_mb, 512u);
    EXPECT_EQ(cgroup.cpus, "0");

    hypervisor->domains();  // connected
    auto start = std::chrono::steady_clock::now();
    const pid_t pid = hypervisor->create_paused(machine(0));
    const double create = seconds_since(start);
    EXPECT_EQ(trial::status_field(pid, "Uid"), "1000\t1000\t1000\t1000");
    EXPECT_EQ(trial::status_field(pid, "Gid"), "1000\t1000\t1000\t1000");
    EXPECT_EQ(trial::status_field(pid, "CapEff"), "0000000000000000");
    EXPECT_EQ(trial::status_field(pid, "CapPrm"), "0000000000000000");
    const std::string rss = trial::status_field(pid, "RssAnon");
    EXPECT_LT(std::stoul(rss), 128u << 10) << "kB of 256 MB before the guest ran";

    start = std::chrono::steady_clock::now();
    enter_leaf(cgroup, pid);
    const double entered = seconds_since(start);
    for (const auto& directory : job.directories) {
        const std::string procs = os::read_file(directory / "holon/cgroup.procs");
        EXPECT_NE((" " + procs).find(std::to_string(pid)), std::string::npos) << directory;
    }
    EXPECT_EQ(trial::status_field(pid, "Cpus_allowed_list"), "0");

    Console console(machine(0).console_socket);
    start = std::chrono::steady_clock::now();
    hypervisor->resume(name(0));
    ASSERT_TRUE(console.wait_for("guest is up"));
    fmt::print(
        "create {:.2f} s, enter cgroup {:.3f} s, resume to first line of /init {:.2f} s; RssAnon "
        "of the "
        "paused QEMU {}\n",
        create, entered, seconds_since(start), rss);
    console.say("eat 100");
    ASSERT_TRUE(console.wait_for("ate 100"));
    for (const auto& directory : job.directories) {
        const auto usage = directory / "holon/memory.usage_in_bytes";
        if (std::filesystem::exists(usage)) {
            EXPECT_GT(trial::number_in(usage), 100u << 20);
        }
    }
    EXPECT_TRUE(hypervisor->alive(name(0)));

    hypervisor->destroy(name(0));
    for (int i = 0; i < 2; ++i) remove_leaf(cgroup);
    for (const auto& directory : job.directories)
        EXPECT_FALSE(std::filesystem::exists(directory / "holon"));
}

TEST_F(HypervisorTrial, AGuestThatUsesMoreThanTheJobHasIsKilledAndCounted) {
    trial::Job job(160);
    const JobCgroup cgroup = find_job_cgroup(job.member(), trial::job_id);
    EXPECT_EQ(oom_kills(cgroup), 0u);
    enter_leaf(cgroup, hypervisor->create_paused(machine(0)));
    Console console(machine(0).console_socket);
    hypervisor->resume(name(0));
    ASSERT_TRUE(console.wait_for("guest is up"));
    console.say("eat 180");
    const auto ended = ends.wait_for(name(0));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->how, End::killed);
    EXPECT_EQ(oom_kills(cgroup), 1u);
    // The process told its end; libvirtd sees it when it comes to it.
    EXPECT_TRUE(trial::eventually([&] { return !hypervisor->alive(name(0)); }));
    remove_leaf(cgroup);
}

TEST_F(HypervisorTrial, RemovingALeafKillsWhatIsLeftInIt) {
    trial::Job job(512);
    const JobCgroup cgroup = find_job_cgroup(job.member(), trial::job_id);
    const pid_t pid = hypervisor->create_paused(machine(0));
    enter_leaf(cgroup, pid);
    remove_leaf(cgroup);
    // Gone, or a zombie that nobody has collected yet. (A dying process leaves its cgroup before it
    // is one.)
    EXPECT_TRUE(trial::eventually([&] {
        const std::string state = trial::status_field(pid, "State");
        return state.empty() || state[0] == 'Z';
    }));
    EXPECT_TRUE(ends.wait_for(name(0)));
}

TEST_F(HypervisorTrial, APoweredOffGuestIsToldFromAKilledQemu) {
    hypervisor->create_paused(machine(0));
    Console console(machine(0).console_socket);
    hypervisor->resume(name(0));
    const pid_t second = boot(1);
    ASSERT_TRUE(console.wait_for("guest is up"));
    console.say("off");
    auto ended = ends.wait_for(name(0));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->how, End::shutdown);
    kill(second, SIGKILL);
    ended = ends.wait_for(name(1));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->how, End::killed);
    EXPECT_NE(ended->detail, "");
}

TEST_F(HypervisorTrial, DestroyMayBeRepeatedAndIsNotToldAsAnEnd) {
    boot(0);
    hypervisor->destroy(name(0));
    hypervisor->destroy(name(0));
    hypervisor->destroy("holon-999.0-vm0");
    EXPECT_TRUE(hypervisor->domains().empty());
    // A later end is told, so the earlier one would have been by now.
    kill(boot(1), SIGKILL);
    ASSERT_TRUE(ends.wait_for(name(1)));
    EXPECT_EQ(ends.all().size(), 1u);
}

TEST_F(HypervisorTrial, AMachineThatCannotStartIsAnErrorWithItsNameAndLibvirtsWords) {
    Machine broken = machine(0);
    broken.kernel = "/nonexistent/vmlinux";
    try {
        hypervisor->create_paused(broken);
        FAIL() << "created";
    } catch (const Error& e) {
        EXPECT_EQ(std::string(e.what()).find(name(0) + ": "), 0u) << e.what();
        EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
        fmt::print("{}\n", e.what());
    }
    EXPECT_TRUE(hypervisor->domains().empty());
    EXPECT_TRUE(ends.all().empty());
}

TEST_F(HypervisorTrial, VmsOutliveLibvirtdAndAnEndMeanwhileIsTold) {
    hypervisor->create_paused(machine(0));
    Console console(machine(0).console_socket);
    hypervisor->resume(name(0));
    ASSERT_TRUE(console.wait_for("guest is up"));
    const pid_t second = boot(1);
    for (int signal : {SIGTERM, SIGKILL}) {
        libvirtd.stop(signal);
        if (signal == SIGKILL) kill(second, SIGKILL);
        auto start = std::chrono::steady_clock::now();
        libvirtd.start();
        const auto domains = hypervisor->domains();
        fmt::print("connected again {:.2f} s after libvirtd was started\n", seconds_since(start));
        // A killed QEMU takes its time to die, and libvirtd to see it.
        if (signal == SIGTERM) {
            EXPECT_EQ(domains.size(), 2u);
        }
        EXPECT_TRUE(hypervisor->alive(name(0)));
    }
    const auto ended = ends.wait_for(name(1));
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->how, End::killed);
    EXPECT_EQ(ends.all().size(), 1u);
    const std::vector<std::string> first{name(0)};
    EXPECT_TRUE(trial::eventually([&] { return hypervisor->domains() == first; }));
    // The new connection tells ends too.
    console.say("off");
    EXPECT_TRUE(ends.wait_for(name(0)));
}

TEST_F(HypervisorTrial, ANewDaemonAdoptsTheDomainsOfTheOldOne) {
    const pid_t pid = boot(0);
    hypervisor.reset();
    SetUp();
    EXPECT_EQ(hypervisor->domains(), std::vector<std::string>{name(0)});
    kill(pid, SIGKILL);
    EXPECT_TRUE(ends.wait_for(name(0)));
}

TEST_F(HypervisorTrial, AHypervisorMadeBeforeLibvirtdIsThereFindsIt) {
    libvirtd.stop(SIGTERM);
    hypervisor.reset();
    SetUp();
    libvirtd.start();
    EXPECT_TRUE(hypervisor->domains().empty());
}

TEST(AccelerationTrial, IsDecidedWithinTenSecondsAndRemembered) {
    const std::filesystem::path cache =
        std::filesystem::path(std::getenv("HOLON_TRIAL_DIR")) / "cache";
    auto start = std::chrono::steady_clock::now();
    const Acceleration first = probe_acceleration(std::getenv("HOLON_TRIAL_KERNEL"), cache);
    EXPECT_LT(seconds_since(start), 10);
    EXPECT_NE(first.reason, "");
    fmt::print("{} ({:.1f} s)\n", first.reason, seconds_since(start));
    start = std::chrono::steady_clock::now();
    const Acceleration second = probe_acceleration(std::getenv("HOLON_TRIAL_KERNEL"), cache);
    EXPECT_EQ(second.kvm, first.kvm);
    EXPECT_EQ(second.reason, first.reason);
    EXPECT_LT(seconds_since(start), 2);
}

}  // namespace
}  // namespace holon::vm

int main(int argc, char** argv) {
    ::signal(SIGPIPE, SIG_IGN);  // as vm.h asks of whoever has a Hypervisor
    if (argc == 4 && std::string(argv[1]) == "--save")
        return holon::vm::save_to_stdout(argv[2], argv[3]);
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
