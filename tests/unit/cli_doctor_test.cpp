// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "cli/doctor/check.h"
#include "cli/doctor/leaks.h"
#include "cli/doctor/node_facts.h"
#include "cli/doctor/nodes.h"
#include "cli/doctor/slurm_plugins.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::cli {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "holon-cli-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~Folder() { os::remove_tree(path_); }
    const fs::path& path() const { return path_; }
    void write(const fs::path& name, const std::string& text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
    }

  private:
    fs::path path_;
};

Finding check(const char* name, const Site& site) {
    for (const Check& one : all_checks())
        if (one.name == std::string(name)) return make(one, site).finding;
    ADD_FAILURE() << "no check " << name;
    return {};
}

Site cluster() {
    Site site;
    site.slurm_release = "22.05.8";
    site.slurm = {{"PrologFlags", "Alloc,Contain,DeferBatch"},
                  {"LaunchParameters", "use_interactive_step"},
                  {"ProctrackType", "proctrack/cgroup"},
                  {"TaskPlugin", "task/affinity,task/cgroup"},
                  {"ConstrainCores", "yes"},
                  {"ConstrainRAMSpace", "yes"},
                  {"JobSubmitPlugins", "holon"}};
    return site;
}

TEST(Site, ReadsTheKeysOfScontrolShowConfig) {
    const auto values = parse_slurm_config(
        "Configuration data as of 2026-11-22T23:00:00\nPrologFlags             = Alloc,Contain\n"
        "PluginDir               = /usr/lib/slurm\nJobSubmitPlugins        = (null)\n\nCgroup "
        "Support Configuration:\n"
        "ConstrainCores          = yes\n");
    EXPECT_EQ(values.at("PrologFlags"), "Alloc,Contain");
    EXPECT_EQ(values.at("JobSubmitPlugins"), "");
    EXPECT_EQ(values.at("ConstrainCores"), "yes");
    EXPECT_EQ(parse_slurm_release("slurm-wlm 22.05.8\n"), "22.05.8");
}

TEST(Doctor, PrologFlagsMustAllBeThere) {
    Site site = cluster();
    EXPECT_EQ(check("prolog", site).verdict, Verdict::ok);
    site.slurm["PrologFlags"] = "Alloc,X11";
    EXPECT_EQ(check("prolog", site).verdict, Verdict::failure);
    EXPECT_THAT(check("prolog", site).seen, HasSubstr("lacks Contain, DeferBatch"));
}

TEST(Doctor, WithoutTheInteractiveStepItWarns) {
    Site site = cluster();
    EXPECT_EQ(check("interactive", site).verdict, Verdict::ok);
    site.slurm["LaunchParameters"] = "";
    EXPECT_EQ(check("interactive", site).verdict, Verdict::warning);
}

TEST(Doctor, JobsMustBeConfinedByCgroups) {
    Site site = cluster();
    EXPECT_EQ(check("confinement", site).verdict, Verdict::ok);
    site.slurm["ConstrainRAMSpace"] = "no";
    EXPECT_THAT(check("confinement", site).seen, HasSubstr("ConstrainRAMSpace=yes"));
    site.slurm["ProctrackType"] = "proctrack/linuxproc";
    EXPECT_THAT(check("confinement", site).seen, HasSubstr("proctrack/cgroup"));
    site = cluster();
    site.slurm.erase("ConstrainCores");
    EXPECT_EQ(check("confinement", site).verdict, Verdict::not_checked);
}

TEST(Doctor, WithoutSlurmItsChecksAreNotMadeAndSayWhy) {
    Site site;
    site.slurm_error = "scontrol: no such file";
    for (const char* name :
         {"prolog", "interactive", "confinement", "spank", "job_submit", "select"}) {
        EXPECT_EQ(check(name, site).verdict, Verdict::not_checked) << name;
        EXPECT_EQ(check(name, site).seen, site.slurm_error) << name;
    }
}

TEST(Doctor, WithAnotherSelectTypeItSaysThatVmJobsAreNotPlaced) {
    Site site = cluster();
    site.slurm["SelectType"] = "select/linear";
    EXPECT_EQ(check("select", site).verdict, Verdict::warning);
    EXPECT_THAT(check("select", site).seen, HasSubstr("placed like all others"));
}

TEST(Doctor, WhatSlurmctldHasLoadedIsReadFromItsMemoryMaps) {
    const fs::path ours = "/usr/lib/holon/slurm/select_cons_tres.so";
    const std::string line = "7f0000000000-7f0000001000 r-xp 00000000 fe:00 42   ";
    EXPECT_EQ(loaded(line + ours.string() + "\n", ours), Loaded::yes);
    EXPECT_EQ(loaded(line + ours.string() + " (deleted)\n", ours), Loaded::replaced);
    EXPECT_EQ(loaded(line + "/usr/lib/slurm-wlm/select_cons_tres.so\n", ours), Loaded::no);
    EXPECT_EQ(loaded(line + ours.string() + ".old\n" + line + "[heap]\n", ours), Loaded::no);
}

TEST(Doctor, ABrokenConfigurationIsNamed) {
    Site site;
    site.config_error = "/etc/holon/holon.yaml:2:3: vm.foo: unknown key";
    EXPECT_EQ(check("configuration", site).seen, site.config_error);
    EXPECT_EQ(check("configuration", site).verdict, Verdict::failure);
}

TEST(Doctor, AConfigurationThatOthersCanChangeIsRefused) {
    const Folder folder;
    folder.write("holon.yaml", "");
    Site site;
    site.config.file = folder.path() / "holon.yaml";
    fs::permissions(site.config.file, fs::perms(0666));
    EXPECT_EQ(check("configuration", site).verdict, Verdict::failure);
}

TEST(Doctor, ThePluginMustBeNamedInPlugstackAndBeThere) {
    const Folder folder;
    folder.write("plugstack.conf", "# required spank_holon.so\ninclude plugstack.conf.d/*.conf\n");
    Site site = cluster();
    site.slurm["PlugStackConfig"] = folder.path() / "plugstack.conf";
    site.slurm["PluginDir"] = "/nonexistent:" + folder.path().string();
    EXPECT_THAT(check("spank", site).seen, HasSubstr("does not name spank_holon.so"));
    folder.write("plugstack.conf.d/holon.conf", "required\tspank_holon.so  config=/x\n");
    EXPECT_THAT(check("spank", site).seen, HasSubstr("is not in PluginDir"));
    folder.write("spank_holon.so", "not a shared object");
    EXPECT_EQ(check("spank", site).verdict, Verdict::not_checked);
}

TEST(Doctor, LoginHostsAreLookedAtForWhatBringsTheOptions) {
    const auto checks = all_checks();
    const auto spank = std::find_if(checks.begin(), checks.end(),
                                    [](const Check& c) { return c.name == std::string("spank"); });
    ASSERT_NE(spank, checks.end());
    EXPECT_TRUE((spank->roles & everywhere) != 0);
}

TEST(Doctor, UsersQemuMustGetThroughLibvirtsFolder) {
    const Folder folder;
    const fs::path above = folder.path() / "libvirt", path = above / "qemu";
    EXPECT_EQ(qemu_folder(path).verdict, Verdict::failure) << "mkdtemp's own folder is closed";
    fs::permissions(folder.path(), fs::perms(0711));
    EXPECT_EQ(qemu_folder(path).verdict, Verdict::not_checked);
    fs::create_directories(path);
    fs::permissions(above, fs::perms(0755));
    fs::permissions(path, fs::perms(0711));
    EXPECT_EQ(qemu_folder(path).verdict, Verdict::ok);
    fs::permissions(path, fs::perms(0750));
    EXPECT_EQ(qemu_folder(path).verdict, Verdict::failure);
    EXPECT_THAT(qemu_folder(path).seen, HasSubstr("libvirt/qemu has mode 0750"));
    EXPECT_THAT(qemu_folder(path).mend, HasSubstr("chmod o+x " + path.string()));
    EXPECT_THAT(qemu_folder(path).mend, HasSubstr("0751"));
    fs::permissions(path, fs::perms(0711));
    fs::permissions(above, fs::perms(0700));
    EXPECT_THAT(qemu_folder(path).seen, HasSubstr("/libvirt has mode 0700"));
}

TEST(Doctor, FindsTheChainsThatDropWhatTheyForward) {
    const auto chain = [](const char* family, const char* name, const char* more) {
        return fmt::format(
            R"(,{{"chain":{{"family":"{}","table":"filter","name":"{}","handle":1{}}}}})", family,
            name, more);
    };
    const char* drop = R"(,"type":"filter","hook":"forward","prio":0,"policy":"drop")";
    const char* accept = R"(,"type":"filter","hook":"forward","prio":0,"policy":"accept")";
    const char* input = R"(,"type":"filter","hook":"input","prio":0,"policy":"drop")";
    EXPECT_THAT(forward_drops(R"({"nftables":[{"metainfo":{"version":"1.0.6"}})" +
                              chain("ip", "FORWARD", drop) + chain("ip", "INPUT", input) +
                              chain("ip6", "FORWARD", accept) + chain("bridge", "vms", drop) +
                              chain("inet", "fwd", drop) + chain("ip", "own", "") + "]}"),
                ElementsAre("ip filter FORWARD", "inet filter fwd"));
    EXPECT_TRUE(forward_drops("Error: no such thing").empty());
}

TEST(Doctor, WarnsWhereTheFirewallSeesBridgedTrafficAndDropsWhatItForwards) {
    const Folder folder;
    EXPECT_EQ(bridged_traffic(folder.path() / "none", {"ip filter FORWARD"}).verdict, Verdict::ok);
    folder.write("bridge-nf-call-iptables", "0\n");
    EXPECT_EQ(bridged_traffic(folder.path(), {"ip filter FORWARD"}).verdict, Verdict::ok);
    folder.write("bridge-nf-call-iptables", "1\n");
    const auto finding = bridged_traffic(folder.path(), {"ip filter FORWARD"});
    EXPECT_EQ(finding.verdict, Verdict::warning);
    EXPECT_THAT(finding.seen, HasSubstr("net.bridge.bridge-nf-call-iptables=1"));
    EXPECT_THAT(finding.seen, HasSubstr("is drop (ip filter FORWARD)"));
    EXPECT_THAT(finding.mend, HasSubstr("sysctl"));
    EXPECT_THAT(bridged_traffic(folder.path(), {}).seen, Not(HasSubstr("is drop")));
}

TEST(Doctor, WarnsWhereVmsWouldStandWhileTheyAreSaved) {
    const Folder folder;
    EXPECT_EQ(background_saves(folder.path() / "none").verdict, Verdict::warning);
    folder.write("unprivileged_userfaultfd", "0\n");
    const auto finding = background_saves(folder.path() / "unprivileged_userfaultfd");
    EXPECT_EQ(finding.verdict, Verdict::warning);
    EXPECT_THAT(finding.mend, HasSubstr("vm.unprivileged_userfaultfd=1"));
    folder.write("unprivileged_userfaultfd", "1\n");
    EXPECT_EQ(background_saves(folder.path() / "unprivileged_userfaultfd").verdict, Verdict::ok);
}

TEST(Doctor, ItsTextHasALineForEachCheckAndOneForWhatToDo) {
    EXPECT_EQ(to_text({{"munge", good("a credential went round")},
                       {"mtu", bad("eth0 has 1400", "raise it")},
                       {"libvirt", not_checked("only root can")}}),
              "ok    munge    a credential went round\n"
              "FAIL  mtu      eth0 has 1400\n"
              "               → raise it\n"
              "-     libvirt  not checked: only root can\n");
}

TEST(Doctor, AChecksExceptionIsAFailureWithItsText) {
    const Check throws{"x", everywhere, [](const Site&) -> Finding { throw Error("broken"); }};
    EXPECT_EQ(make(throws, {}).finding.seen, "broken");
    EXPECT_EQ(make(throws, {}).finding.verdict, Verdict::failure);
}

TEST(InChild, BringsBackTheTextOrTheError) {
    EXPECT_EQ(in_child([] { return std::string("yes"); }, std::chrono::seconds(10)), "yes");
    EXPECT_EQ(in_child([] { return std::string(300'000, 'x'); }, std::chrono::seconds(10)).size(),
              300'000u);
    const auto fault = [](const std::function<std::string()>& work,
                          std::chrono::seconds timeout) -> std::string {
        try {
            return in_child(work, timeout);
        } catch (const Error& error) {
            return error.what();
        }
    };
    EXPECT_EQ(fault([]() -> std::string { throw Error("no"); }, std::chrono::seconds(10)), "no");
    EXPECT_EQ(fault([]() -> std::string { return ::raise(SIGKILL), ""; }, std::chrono::seconds(10)),
              "ended by signal 9");
    EXPECT_EQ(fault([]() -> std::string { return ::pause(), ""; }, std::chrono::seconds(1)),
              "no answer within 1 s");
}

TEST(Nodes, ThoseThatSlurmHasGivenUpAreNotAsked) {
    const NodeList nodes = parse_sinfo(
        "n1 idle\nn1 idle\nn2 mixed\nn3 down*\nn4 draining\nn5 idle~\nn6 idle*\nn7 future\n");
    EXPECT_THAT(nodes.up, ElementsAre("n1", "n2", "n4"));
    EXPECT_THAT(nodes.away, ElementsAre("n3", "n5", "n6", "n7"));
}

TEST(Nodes, ClockSkewIsWhatTheJourneyCannotExplain) {
    Answer answer;
    answer.asked_at_ns = 1000;
    answer.answered_at_ns = 2000;
    answer.reply = {{"time_ns", 1500}};
    EXPECT_EQ(clock_skew_ns(answer), 0);
    answer.reply = {{"time_ns", 2500}};
    EXPECT_EQ(clock_skew_ns(answer), 500);
    answer.reply = {{"time_ns", 400}};
    EXPECT_EQ(clock_skew_ns(answer), -600);
    answer.reply = nlohmann::json::object();
    EXPECT_EQ(clock_skew_ns(answer), std::nullopt);
}

TEST(SlurmPlugins, AVersionNumberIsThreeBytes) { EXPECT_EQ(release_text(0x160508), "22.05.8"); }

TEST(SlurmPlugins, AnIncludeOfItselfEnds) {
    const Folder folder;
    folder.write("plugstack.conf", "include plugstack.conf\n");
    EXPECT_EQ(find_in_plugstack(folder.path() / "plugstack.conf", "spank_holon.so"), std::nullopt);
}

TEST(Leaks, NamesTellTheJobAndWhereTheyCanTheRestart) {
    const auto is = [](const char* name, std::uint32_t job, std::optional<std::uint32_t> restart) {
        const auto trace = trace_of("x", name);
        return trace && trace->job == job && trace->restart == restart;
    };
    EXPECT_TRUE(is("holon-42.1-vm0", 42, 1));
    EXPECT_TRUE(is("hb42.1", 42, 1));
    EXPECT_TRUE(is("hx42.1", 42, 1));
    EXPECT_TRUE(is("ht42.1", 42, std::nullopt));
    EXPECT_TRUE(is("nft inet holon-42.3", 42, 3));
    EXPECT_TRUE(is("42.0", 42, 0));
    EXPECT_TRUE(is("42", 42, std::nullopt));
    for (const char* other :
         {"", "virbr0", "holon", "holon-x", "holon-1.2", "nft inet holon", "nft inet filter",
          "nft ", "hbx", "42.", "42.x", "42.0.tmp", "lost+found"})
        EXPECT_FALSE(trace_of("x", other)) << other;
}

TEST(Leaks, WhatBelongsToALiveRunIsNotLeftOver) {
    const std::set<Trace> found{*trace_of("domain", "holon-42.1-vm0"),
                                *trace_of("interface", "ht42.0"), *trace_of("folder", "42.1")};
    EXPECT_TRUE(leftovers(found, {{42, 1}}).empty());
    EXPECT_EQ(leftovers(found, {}).size(), 3u);
}

TEST(Leaks, AnEarlierRunOfALiveJobIsLeftOver) {
    const std::set<Trace> found{*trace_of("domain", "holon-42.0-vm0"),
                                *trace_of("domain", "holon-42.1-vm0")};
    const auto left = leftovers(found, {{42, 1}});
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left.begin()->name, "holon-42.0-vm0");
}

TEST(Leaks, InterfaceNamesCutTheRestartCountToFourDigits) {
    EXPECT_TRUE(leftovers({*trace_of("interface", "hb42.3")}, {{42, 20003}}).empty());
}

TEST(Leaks, FindsTheLeavesOfJobCgroups) {
    const Folder folder;
    fs::create_directories(folder.path() / "memory/slurm/uid_1000/job_42/holon");
    fs::create_directories(folder.path() / "memory/slurm/uid_1000/job_42/step_0");
    fs::create_directories(folder.path() / "memory/user/holon");
    const auto traces = cgroup_traces(folder.path());
    ASSERT_EQ(traces.size(), 1u);
    EXPECT_EQ(traces.begin()->job, 42u);
}

TEST(Leaks, FindsQemuByTheDomainOnItsCommandLine) {
    const Folder folder;
    folder.write(
        "17/cmdline",
        std::string("qemu-system-x86_64\0-name\0guest=holon-42.0-vm1,debug-threads=on\0-S\0", 69));
    folder.write("18/cmdline", std::string("qemu\0-name\0guest=other\0", 23));
    folder.write("self/cmdline", "x");
    const auto traces = process_traces(folder.path());
    ASSERT_EQ(traces.size(), 1u);
    EXPECT_EQ(traces.begin()->name, "17 (QEMU of holon-42.0-vm1)");
    EXPECT_EQ(traces.begin()->job, 42u);
}

}  // namespace
}  // namespace holon::cli
