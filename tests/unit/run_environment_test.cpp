// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "spank/run/arguments.h"
#include "spank/run/environment.h"
#include "spank/run/open_request.h"
#include "spank/run/signals.h"

using namespace holon::run;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::StartsWith;

namespace {

holon::os::Identity alice() {
    holon::os::Identity user;
    user.uid = 1000;
    user.name = "alice";
    user.home = "/home/alice";
    user.shell = "/bin/bash";
    return user;
}

Arguments parse(std::vector<std::string> words) {
    words.insert(words.begin(), "holon-run");
    std::vector<char*> values;
    for (auto& word : words) values.push_back(word.data());
    return parse_arguments(static_cast<int>(values.size()), values.data());
}

}  // namespace

TEST(RunEnvironment, SlurmsVariablesAndTheUsersOwnGoIntoTheVm) {
    auto out = guest_environment({"SLURM_JOB_ID=42", "SLURM_PROCID=0", "OMP_NUM_THREADS=4",
                                  "PATH=/opt/bin:/bin", "MULTI=a\nb=c"},
                                 alice(), {});
    for (const char* entry : {"SLURM_JOB_ID=42", "SLURM_PROCID=0", "OMP_NUM_THREADS=4",
                              "PATH=/opt/bin:/bin", "MULTI=a\nb=c"})
        EXPECT_THAT(out, Contains(entry));
}

TEST(RunEnvironment, WhatBelongsToTheHostStaysThere) {
    auto out = guest_environment(
        {"SLURM_SPANK__SLURM_SPANK_OPTION_holon_vm_cluster=2", "_SLURM_SPANK_OPTION_holon_no_vm=",
         "SPANK_HOLON_SPEC={}", "SLURM_RLIMIT_CORE=0", "SSH_AUTH_SOCK=/tmp/x", "XDG_RUNTIME_DIR=/r",
         "DISPLAY=:0", "PMIX_RANK=0", "HOSTNAME=login1", "HOLON_CONFIG=/x", "nonsense", "=x"},
        alice(), {});
    EXPECT_THAT(out, ElementsAre("HOME=/home/alice", "LOGNAME=alice", "OMPI_MCA_ess=^slurm",
                                 "OMPI_MCA_plm=rsh", "OMPI_MCA_ras=^slurm", "SHELL=/bin/bash",
                                 "TMPDIR=/tmp", "USER=alice"));
}

TEST(RunEnvironment, TheUserIsTheVmsAndHolonsVariablesWin) {
    auto out = guest_environment({"HOME=/root", "USER=root", "HOLON_VM_ID=7"}, alice(),
                                 {{"HOLON_VM_ID", "0"}});
    EXPECT_THAT(out, Contains("HOME=/home/alice"));
    EXPECT_THAT(out, Contains("HOLON_VM_ID=0"));
    EXPECT_THAT(out, Not(Contains("HOLON_VM_ID=7")));
    EXPECT_THAT(out, Not(Contains("HOME=/root")));
}

TEST(RunEnvironment, TmpdirIsTheUsersWhereOneWasSet) {
    EXPECT_THAT(guest_environment({"TMPDIR=/scratch"}, alice(), {}), Contains("TMPDIR=/scratch"));
    auto mpi = guest_environment({"OMPI_MCA_plm=isolated"}, alice(), {});
    EXPECT_THAT(mpi, Contains("OMPI_MCA_plm=isolated"));
    EXPECT_THAT(mpi, Not(Contains("OMPI_MCA_plm=rsh")));
    EXPECT_THAT(guest_environment({}, alice(), {}), Contains("TMPDIR=/tmp"));
}

TEST(RunEnvironment, OnAVirtualSmpSlurmSpeaksOfOneNode) {
    const auto out = as_on_one_node(
        {"SLURM_JOB_ID=42", "SLURM_NNODES=3", "SLURM_JOB_NODELIST=n[1-3]", "SLURM_NTASKS=6",
         "SLURM_JOB_CPUS_PER_NODE=3,2,1", "SLURM_TASKS_PER_NODE=3,2,1", "SLURM_PROCID=4",
         "SLURM_LOCALID=1", "SLURM_NODEID=1", "SLURM_STEP_TASKS_PER_NODE=3,2,1",
         "SLURM_STEP_NUM_TASKS=6", "SLURM_CPU_BIND_LIST=0x1", "SLURM_GTIDS=3,4",
         "OMP_NUM_THREADS=4"},
        "smp-42", 6);
    EXPECT_THAT(out, ElementsAre("SLURM_JOB_ID=42", "SLURM_NNODES=1", "SLURM_JOB_NODELIST=smp-42",
                                 "SLURM_NTASKS=6", "SLURM_JOB_CPUS_PER_NODE=6",
                                 "SLURM_TASKS_PER_NODE=6", "SLURM_PROCID=4", "SLURM_LOCALID=4",
                                 "SLURM_NODEID=0", "SLURM_STEP_TASKS_PER_NODE=6",
                                 "SLURM_STEP_NUM_TASKS=6", "OMP_NUM_THREADS=4"));
}

TEST(RunEnvironment, AndOfNothingItDidNotSpeakOf) {
    EXPECT_THAT(as_on_one_node({"HOME=/home/alice"}, "smp-42", 6), ElementsAre("HOME=/home/alice"));
}

TEST(RunLimits, SlurmsPropagatedLimitsAreTheSoftOnes) {
    std::map<std::string, Limit> current = {{"nofile", {1024, 4096}},
                                            {"core", {std::nullopt, std::nullopt}}};
    auto limits = task_limits({"SLURM_RLIMIT_NOFILE=2048", "SLURM_RLIMIT_CORE=0"}, current);
    EXPECT_EQ(limits["nofile"], Limit(2048, 4096));
    EXPECT_EQ(limits["core"], Limit(0, std::nullopt));
}

TEST(RunLimits, ASoftLimitStaysBelowTheHardOne) {
    std::map<std::string, Limit> current = {{"nofile", {1024, 4096}}};
    EXPECT_EQ(task_limits({"SLURM_RLIMIT_NOFILE=9999"}, current)["nofile"], Limit(4096, 4096));
    EXPECT_EQ(task_limits({"SLURM_RLIMIT_NOFILE=18446744073709551615"}, current)["nofile"],
              Limit(4096, 4096));
}

TEST(RunLimits, TheMarkOfPropagateIsNoPartOfTheNumber) {
    EXPECT_EQ(task_limits({"SLURM_RLIMIT_STACK=U8192"}, {})["stack"], Limit(8192, std::nullopt));
}

TEST(RunLimits, GarbageLeavesTheLimitAlone) {
    std::map<std::string, Limit> current = {{"nofile", {1024, 4096}}};
    EXPECT_EQ(task_limits({"SLURM_RLIMIT_NOFILE=lots", "SLURM_RLIMIT_NOFILE", "SLURM_RLIMIT_X=1"},
                          current),
              current);
}

TEST(RunOpen, TheRequestIsTheProtocols) {
    OpenRequest request;
    request.argv = {"sh", "-c", "exit 3"};
    request.environment = {"A=1"};
    request.cwd = "/work";
    request.umask = 027;
    request.limits = {{"stack", {8192, std::nullopt}}};
    request.terminal = OpenRequest::Terminal{24, 80};
    request.script = "#!/bin/sh\n";
    auto json = nlohmann::json::parse(to_json(request));
    EXPECT_EQ(json["argv"], nlohmann::json({"sh", "-c", "exit 3"}));
    EXPECT_EQ(json["umask"], 23);
    EXPECT_EQ(json["rlimits"]["stack"], nlohmann::json({8192, -1}));
    EXPECT_EQ(json["pty"], nlohmann::json({{"rows", 24}, {"cols", 80}}));
    EXPECT_EQ(json["script"], "IyEvYmluL3NoCg==");
    EXPECT_EQ(json["stdin"], true);
    EXPECT_FALSE(json.contains("uid"));
}

TEST(RunOpen, BytesThatAreNotTextDoNotStopTheProgram) {
    OpenRequest request;
    request.argv = {"\xff"};
    EXPECT_NO_THROW(to_json(request));
}

TEST(RunOpen, Base64IsPadded) {
    EXPECT_EQ(base64(""), "");
    EXPECT_EQ(base64("f"), "Zg==");
    EXPECT_EQ(base64("fo"), "Zm8=");
    EXPECT_EQ(base64("foo"), "Zm9v");
    EXPECT_EQ(base64(std::string("\0\xff\x10", 3)), "AP8Q");
}

TEST(RunSignals, AStepsSignalsReachEveryProcess) {
    for (int signal : forwarded_signals())
        EXPECT_EQ(scope_of(signal, false), holon::channel::Scope::all);
}

TEST(RunSignals, ABatchScriptAloneGetsWhatDoesNotEndOrStopIt) {
    EXPECT_EQ(scope_of(SIGUSR1, true), holon::channel::Scope::main);
    EXPECT_EQ(scope_of(SIGUSR2, true), holon::channel::Scope::main);
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCONT, SIGTSTP})
        EXPECT_EQ(scope_of(signal, true), holon::channel::Scope::all);
}

TEST(RunSignals, OnlyEndingSignalsEndTheWait) {
    EXPECT_TRUE(ends_the_wait(SIGTERM));
    EXPECT_FALSE(ends_the_wait(SIGUSR1));
    EXPECT_FALSE(ends_the_wait(SIGCONT));
}

TEST(RunArguments, AreThoseOfTheSpankPlugin) {
    auto arguments = parse({"--socket", "/s", "--job", "42", "--step", "0", "--task", "3",
                            "--local-task", "1", "--local-tasks", "2", "--", "prog", "--job", "x"});
    EXPECT_EQ(arguments.socket, "/s");
    EXPECT_EQ(arguments.job, 42u);
    EXPECT_EQ(arguments.step, "0");
    EXPECT_EQ(arguments.task, 3u);
    EXPECT_EQ(arguments.local_task, 1u);
    EXPECT_EQ(arguments.local_tasks, 2u);
    EXPECT_THAT(arguments.program, ElementsAre("prog", "--job", "x"));
    EXPECT_FALSE(arguments.batch());
    EXPECT_FALSE(arguments.speaks());
}

TEST(RunArguments, HelpSaysThatItIsInternal) {
    EXPECT_TRUE(parse({"--help"}).help);
    EXPECT_THAT(usage, testing::HasSubstr("Internal to Holon"));
}

TEST(RunArguments, MistakesAreNamed) {
    EXPECT_THROW(parse({}), holon::Error);
    EXPECT_THROW(parse({"--job", "x", "--step", "0", "--", "a"}), holon::Error);
    EXPECT_THROW(parse({"--job", "1", "--step", "0"}), holon::Error);
    EXPECT_THROW(parse({"--job", "1", "--step"}), holon::Error);
    EXPECT_THROW(parse({"--jobs", "1"}), holon::Error);
}
