// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/console_filter.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "plugins/os/error.h"

namespace holon::cli {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Table, AlignsColumnsAndDoesNotPadTheLast) {
    EXPECT_EQ(table({">JOB", "VM", "X"}, {{"7", "vm10", "a"}, {"1234", "vm0", "long"}}),
              " JOB  VM    X\n   7  vm10  a\n1234  vm0   long\n");
}

TEST(Table, WritesSizesAndTimesAsSlurmDoes) {
    EXPECT_EQ(memory_text(384), "384M");
    EXPECT_EQ(memory_text(1536), "1.5G");
    EXPECT_EQ(memory_text(2048), "2G");
    EXPECT_EQ(bytes_text(0), "0B");
    EXPECT_EQ(bytes_text(63245312), "60.3M");
    EXPECT_EQ(duration_text(12.7), "0:12");
    EXPECT_EQ(duration_text(3723), "1:02:03");
    EXPECT_EQ(duration_text(90061), "1-01:01:01");
    EXPECT_EQ(duration_text(-5), "0:00");
}

TEST(Table, PrintableTakesControlCharactersOut) { EXPECT_EQ(printable("a\x1b[2Jb\n"), "a?[2Jb?"); }

TEST(Progress, ABarHasRateAndRemainingTime) {
    EXPECT_EQ(bar_text(512 << 20, 1024 << 20, 8),
              "[###############               ]  50%  512M of 1G, 64M/s, 0:08 left");
    EXPECT_EQ(bar_text(0, 1024 << 20, 8), "[                              ]   0%  0B of 1G");
    EXPECT_EQ(bar_text(2048, 1024, 1), "[##############################] 100%  2K of 2K, 2K/s");
}

TEST(Squeue, ReadsJobsAndTheirNodes) {
    const auto jobs = parse_squeue("42 n[1-2]\n43 n2 \n44 \n");
    ASSERT_EQ(jobs.size(), 3u);
    EXPECT_EQ(jobs[0].id, 42u);
    EXPECT_THAT(jobs[0].nodes, ElementsAre("n1", "n2"));
    EXPECT_TRUE(jobs[2].nodes.empty());
    EXPECT_THAT(nodes_of(jobs), ElementsAre("n1", "n2"));
}

TEST(Squeue, RefusesAJobIdThatIsAnOption) {
    EXPECT_THROW(running_jobs("-M all"), Error);
    EXPECT_THROW(running_jobs(""), Error);
}

json vm(unsigned job, const char* name, const char* node) {
    return {{"job", job},       {"restart", 0},    {"user", "alice"},        {"vm", name},
            {"node", node},     {"vcpus", 2},      {"memory_mb", 384},       {"state", "running"},
            {"uptime_s", 12.5}, {"image", "tiny"}, {"address", "10.77.0.1"}, {"reason", ""}};
}

Answer answer(const char* node, std::vector<json> vms) {
    Answer one;
    one.node = node;
    one.reply = {{"ok", true}, {"vms", vms}};
    return one;
}

TEST(Status, SortsByJobAndByTheVmsNumber) {
    const View view = collect({answer("n2", {vm(43, "vm10", "n2"), vm(43, "vm9", "n2")}),
                               answer("n1", {vm(42, "vm0", "n1")})});
    ASSERT_EQ(view.vms.size(), 3u);
    EXPECT_EQ(view.vms[0]["job"], 42);
    EXPECT_EQ(view.vms[1]["vm"], "vm9");
    EXPECT_EQ(view.vms[2]["vm"], "vm10");
}

TEST(Status, ShowsTheUserToRootOnly) {
    const View view = collect({answer("n1", {vm(42, "vm0", "n1")})});
    EXPECT_EQ(status_text(view, false),
              "JOB  VM   NODE  VCPUS  CPU-TIME   MEM  PEAK  STATE    UPTIME  ADDRESS\n"
              " 42  vm0  n1        2         -  384M     -  running    0:12  10.77.0.1\n");
    EXPECT_THAT(status_text(view, true), HasSubstr("JOB  USER   VM"));
}

TEST(Status, ShowsAVirtualSmpAsOneMachineWithItsParts) {
    json first = vm(42, "vm0", "n1"), second = vm(42, "vm1", "n2");
    for (json* part : {&first, &second}) (*part)["smp"] = true;
    first["vcpus"] = 1;
    first["cpu_s"] = 61.0;
    second["home"] = true;
    second["vcpus"] = 3;
    second["memory_mb"] = 1024;
    second["address"] = "10.77.0.2";
    second["peak_mb"] = 500;
    second["state"] = "booting";
    const View view = collect(
        {answer("n1", {first}), answer("n2", {second}), answer("n3", {vm(43, "vm0", "n3")})});
    EXPECT_EQ(
        status_text(view, true),
        "JOB  USER   VM      NODE    VCPUS  CPU-TIME   MEM  PEAK  STATE    UPTIME  ADDRESS\n"
        " 42  alice  smp-42  n[1-2]      4      1:01    1G  500M  booting    0:12  10.77.0.2\n"
        "              vm0   n1          1      1:01  384M     -  running    0:12  10.77.0.1\n"
        "              vm1   n2          3         -    1G  500M  booting    0:12  10.77.0.2\n"
        " 43  alice  vm0     n3          2         -  384M     -  running    0:12  10.77.0.1\n");
}

TEST(Usage, IsShownRunByRunWithTheSum) {
    const json vm0{{"restart", 0},     {"vm", "vm0"},    {"node", "n1"},
                   {"vcpus", 2},       {"began", 100.0}, {"ended", 200},
                   {"memory_mb", 384}, {"cpu_s", 150.0}, {"peak_mb", 501}};
    json died = vm0;
    died["restart"] = 1;
    died["cpu_s"] = died["peak_mb"] = nullptr;
    EXPECT_EQ(usage_text({died, vm0}),
              "RUN  VM   NODE  VCPUS  ELAPSED  CPU-TIME   MEM  PEAK\n"
              "  0  vm0  n1        2     1:40      2:30  384M  501M\n"
              "  1  vm0  n1        2     1:40         -  384M     -\n"
              "2:30 of CPU time in all, 75 % of what the VMs could have had\n");
}

TEST(Status, GivesTheReasonOfAFailedVmWithoutItsControlCharacters) {
    json failed = vm(42, "vm1", "n1");
    failed["state"] = "failed";
    failed["reason"] = "Kernel panic\x1b[2J";
    EXPECT_THAT(status_text(collect({answer("n1", {failed})}), false),
                HasSubstr("job 42: vm1: Kernel panic?[2J\n"));
}

TEST(Status, KeepsTheAnswersWhenANodeIsSilent) {
    Answer silent;
    silent.node = "n2";
    silent.error = "holond on n2 does not answer";
    const View view = collect({answer("n1", {vm(42, "vm0", "n1")}), silent});
    EXPECT_EQ(view.vms.size(), 1u);
    ASSERT_EQ(view.unreachable.size(), 1u);
    EXPECT_EQ(view.unreachable[0].node, "n2");
}

TEST(Console, VmNamesMayCarryTheJob) {
    EXPECT_EQ(parse_vm_name("vm1").vm, "vm1");
    EXPECT_EQ(parse_vm_name("1").vm, "vm1");
    EXPECT_EQ(parse_vm_name("42:vm01").vm, "vm1");
    EXPECT_EQ(parse_vm_name("42_3:7").job, "42_3");
    for (const char* bad : {"", "vm", ":vm1", "42:", "vm-1", "vmx", "vm1:42", "vm123456"})
        EXPECT_THROW(parse_vm_name(bad), Error) << bad;
}

std::string refusal(const std::vector<json>& vms, const char* name) {
    try {
        find_vm(vms, parse_vm_name(name));
    } catch (const Error& error) {
        return error.what();
    }
    return "found";
}

TEST(Console, SaysWhatThereIsWhenTheVmIsNotFound) {
    const std::vector<json> one{vm(42, "vm0", "n1"), vm(42, "vm1", "n2")};
    EXPECT_EQ(find_vm(one, parse_vm_name("vm1"))["node"], "n2");
    EXPECT_EQ(refusal(one, "vm7"), "job 42 has no vm7; it has vm[0-1]");
    EXPECT_THAT(refusal({}, "vm0"), HasSubstr("no VM jobs of yours are running"));
    EXPECT_THAT(refusal({vm(42, "vm0", "n1"), vm(43, "vm0", "n1")}, "vm0"),
                HasSubstr("holon console 42:vm0"));
}

TEST(ConsoleFilter, LetsTextAndColoursThrough) {
    ConsoleFilter filter;
    EXPECT_EQ(filter.pass("\x1b[1;31mred\x1b[0m\tok\r\n\x1b[K\xc3\xa4"),
              "\x1b[1;31mred\x1b[0m\tok\r\n\x1b[K\xc3\xa4");
}

TEST(ConsoleFilter, TakesOutWhatDrivesTheTerminal) {
    ConsoleFilter filter;
    EXPECT_EQ(filter.pass("a\x1b[2Jb"), "ab");  // clears the screen
    EXPECT_EQ(filter.pass("a\x1b]0;title\x07"
                          "b"),
              "ab");                                    // sets the title
    EXPECT_EQ(filter.pass("a\x1bP$q\x1b\\b"), "ab");    // asks for an answer typed into the shell
    EXPECT_EQ(filter.pass("a\x1b[6nb\x05\x7f"), "ab");  // the same, in two other ways
    EXPECT_EQ(filter.pass("a\x1b"
                          "c\x1b(0b"),
              "ab");  // resets; changes the characters
}

TEST(ConsoleFilter, RemembersASequenceThatIsCutInTwo) {
    ConsoleFilter filter;
    EXPECT_EQ(filter.pass("a\x1b["), "a");
    EXPECT_EQ(filter.pass("2"), "");
    EXPECT_EQ(filter.pass("Jb"), "b");
    EXPECT_EQ(filter.pass("\x1b]0;tit"), "");
    EXPECT_EQ(filter.pass("le\x1b\\c"), "c");
}

TEST(Base64, DecodesWhatHolondEncodes) {
    EXPECT_EQ(decode_base64(""), "");
    EXPECT_EQ(decode_base64("Zg=="), "f");
    EXPECT_EQ(decode_base64("Zm8="), "fo");
    EXPECT_EQ(decode_base64("Zm9v"), "foo");
    EXPECT_EQ(decode_base64("AP+A"), std::string("\x00\xff\x80", 3));
    for (const char* bad : {"Zg", "Zg=", "Z===", "====", "Z g=", "Zm9\n"})
        EXPECT_THROW(decode_base64(bad), Error) << bad;
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(status({"--jsn"}), exit_usage);
    EXPECT_EQ(console({}), exit_usage);
    EXPECT_EQ(console({"vm1", "vm2"}), exit_usage);
    EXPECT_EQ(checkpoint({}), exit_usage);
    EXPECT_EQ(image({"frob"}), exit_usage);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                HasSubstr("holon status: unrecognised option '--jsn'"));
}

TEST(CommandLine, EveryCommandHasHelp) {
    for (const auto command : {status, console, checkpoint, image, doctor}) {
        testing::internal::CaptureStdout();
        EXPECT_EQ(command({"--help"}), exit_good);
        EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("usage: holon "));
    }
}

}  // namespace
}  // namespace holon::cli
