// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "plugins/os/error.h"
#include "plugins/spec/spec.h"

namespace spec = holon::spec;

namespace {

testing::AssertionResult accepts(const char* name, const std::string& text) {
    auto line = spec::check_option(name, text);
    if (!line) return testing::AssertionSuccess();
    return testing::AssertionFailure() << *line;
}

testing::AssertionResult refuses(const char* name, const std::string& text) {
    auto line = spec::check_option(name, text);
    if (!line) return testing::AssertionFailure() << "--" << name << "=" << text << " was accepted";
    if (line->find(std::string("--") + name) == std::string::npos)
        return testing::AssertionFailure() << "the option is not named in: " << *line;
    if (line->find('\n') != std::string::npos)
        return testing::AssertionFailure() << "more than one line: " << *line;
    return testing::AssertionSuccess();
}

}  // namespace

// Slurm 22.05 prints "%6s--NAME=ARG" padded to column 30, then the text wrapped at 80 columns;
// where the first part reaches column 30 it gets lines of its own.
TEST(SpecOptions, HelpTakesLinesOfEightyColumns) {
    for (const auto& option : spec::options()) {
        auto left = 6 + 2 + std::strlen(option.name);
        if (option.arg != nullptr)
            left += 1 + std::strlen(option.arg) + (option.arg_optional ? 2 : 0);
        const bool own_line = std::strcmp(option.name, "vm-checkpoint-before") == 0;
        EXPECT_LT(left, own_line ? 80u : 30u) << option.name;
        EXPECT_LE(30 + std::strlen(option.usage), 80u) << option.name;
    }
}

TEST(SpecOptions, HelpTextCarriesThePrefix) {
    for (const auto& option : spec::options())
        EXPECT_EQ(0, std::strncmp(option.usage, "[vm] ", 5)) << option.name;
}

TEST(SpecOptions, TheReleaseHasItsTwelveOptions) {
    std::vector<std::string> names;
    for (const auto& option : spec::options()) names.emplace_back(option.name);
    EXPECT_EQ(names, (std::vector<std::string>{"vm-cluster", "vm-smp", "vm-image", "vm-cpus",
                                               "vm-mem", "vm-network", "vm-boot-timeout",
                                               "vm-checkpoint", "vm-checkpoint-before",
                                               "vm-checkpoint-dir", "vm-restart", "no-vm"}));
}

TEST(SpecOptions, TheReadmeShowsThemAsSlurmPrintsThem) {
    std::stringstream readme;
    readme << std::ifstream(HOLON_SOURCE_DIR "/README.md").rdbuf();
    for (const auto& option : spec::options()) {
        std::string line = std::string("      --") + option.name;
        if (option.arg != nullptr)
            line += option.arg_optional ? "=[" + std::string(option.arg) + "]"
                                        : "=" + std::string(option.arg);
        if (line.size() >= 30)
            line += "\n" + std::string(4 + 30, ' ') /* a block of code is indented */;
        else
            line.resize(30, ' ');
        EXPECT_NE(std::string::npos, readme.str().find(line + option.usage + "\n"))
            << "README.md lacks: " << line << option.usage;
    }
}

TEST(SpecOptions, OnlyAModeOrACheckpointAsksForVms) {
    EXPECT_TRUE(spec::wants_vms({{"vm-cluster", ""}}));
    EXPECT_TRUE(spec::wants_vms({{"vm-restart", "42"}}));
    EXPECT_FALSE(spec::wants_vms({{"vm-image", "tiny"}}));
    EXPECT_FALSE(spec::wants_vms({{"no-vm", ""}}));
    EXPECT_FALSE(spec::wants_vms({}));
}

TEST(SpecOptions, RefusesZeroCpusNamingTheOption) {
    EXPECT_EQ(spec::check_option("vm-cpus", "0"),
              "--vm-cpus=0: not accepted; give a whole number from 1 to 1024");
}

TEST(SpecOptions, CpusAreWholeNumbersUpToOneThousandAndTwentyFour) {
    EXPECT_TRUE(accepts("vm-cpus", "1"));
    EXPECT_TRUE(accepts("vm-cpus", "1024"));
    for (const char* text : {"", "1025", "-1", "+1", "1.5", "0x2", " 2", "2 ", "two",
                             "99999999999999999999", "(null)"})
        EXPECT_TRUE(refuses("vm-cpus", text));
}

TEST(SpecOptions, ClusterTakesANumberOrNothing) {
    EXPECT_TRUE(accepts("vm-cluster", ""));
    EXPECT_TRUE(accepts("vm-cluster", "1"));
    EXPECT_TRUE(accepts("vm-cluster", "4096"));
    for (const char* text : {"0", "4097", "65534", "-3", "many", "3,4"})
        EXPECT_TRUE(refuses("vm-cluster", text));
}

TEST(SpecOptions, TheMostVmsOfAJobAreNamedWhereMoreAreRefused) {
    EXPECT_EQ(spec::check_option("vm-cluster", "4097"),
              "--vm-cluster=4097: not accepted; give a whole number of VMs from 1 to 4096, or "
              "nothing for one per node");
}

TEST(SpecOptions, ImageIsANameOrAPath) {
    for (const char* text : {"tiny", "debian-12", "Rocky_9.3+x", "/images/a b.qcow2", "./x.img",
                             "../x.img", "/\xc3\xa9t\xc3\xa9.img"})
        EXPECT_TRUE(accepts("vm-image", text)) << text;
    for (const char* text : {"", "/", "./", ".", "..", ".hidden", "-x", "a/b", "a b", "a;b", "$(x)",
                             "/x\ny", "/x\x1b[2J", "/\xff\xfe", "/\xc0\xaf", "~/x"})
        EXPECT_TRUE(refuses("vm-image", text)) << text;
    EXPECT_TRUE(refuses("vm-image", "/" + std::string(5000, 'x')));
    EXPECT_TRUE(refuses("vm-image", std::string(129, 'x')));
}

TEST(SpecOptions, MemoryIsASizeOfAtLeastSixtyFourMebibytes) {
    for (const char* text : {"64", "64M", "65536K", "1G", "1g", "2T"})
        EXPECT_TRUE(accepts("vm-mem", text)) << text;
    for (const char* text : {"", "0", "63", "G", "1GB", "1.5G", "-1G", "1 G", "1Q", "lots",
                             "99999999999999999T", "16777216T"})
        EXPECT_TRUE(refuses("vm-mem", text)) << text;
}

TEST(SpecOptions, NetworkIsPrivateOrNone) {
    EXPECT_TRUE(accepts("vm-network", "private"));
    EXPECT_TRUE(accepts("vm-network", "none"));
    for (const char* text : {"", "Private", "public", "host"})
        EXPECT_TRUE(refuses("vm-network", text)) << text;
    EXPECT_NE(spec::check_option("vm-network", "host")->find("private or none"), std::string::npos);
}

TEST(SpecOptions, BootTimeoutIsATimeOfSlurm) {
    for (const char* text : {"1", "0:30", "1:00:00", "1-0", "0-1:30", "0-0:0:1"})
        EXPECT_TRUE(accepts("vm-boot-timeout", text)) << text;
    for (const char* text : {"", "0", "0:0", "-1", "UNLIMITED", "1:2:3:4", "1-2:3:4:5", "5m", ":",
                             "8-0", "999999999999"})
        EXPECT_TRUE(refuses("vm-boot-timeout", text)) << text;
}

TEST(SpecOptions, NoVmTakesNoValue) {
    EXPECT_TRUE(accepts("no-vm", ""));
    EXPECT_TRUE(refuses("no-vm", "yes"));
}

TEST(SpecOptions, AnotherModeIsNotKnown) {
    EXPECT_TRUE(refuses("vm-tree", ""));
    EXPECT_NE(spec::check_option("vm-tree", "")->find("--vm-cluster"), std::string::npos);
}

TEST(SpecOptions, WhatATerminalWouldObeyIsNotEchoed) {
    auto line = spec::check_option("vm-cpus", "\x1b]0;x\x07\n");
    ASSERT_TRUE(line);
    for (char c : *line) EXPECT_GE(static_cast<unsigned char>(c), 0x20u);
    EXPECT_LT(spec::check_option("vm-cpus", std::string(100000, 'x'))->size(), 300u);
}

TEST(SpecGrammar, MemoryIsRoundedUpToMebibytes) {
    EXPECT_EQ(spec::parse_memory_mb("1"), 1u);
    EXPECT_EQ(spec::parse_memory_mb("1M"), 1u);
    EXPECT_EQ(spec::parse_memory_mb("1K"), 1u);
    EXPECT_EQ(spec::parse_memory_mb("1024K"), 1u);
    EXPECT_EQ(spec::parse_memory_mb("1025K"), 2u);
    EXPECT_EQ(spec::parse_memory_mb("3G"), 3072u);
    EXPECT_EQ(spec::parse_memory_mb("1T"), 1048576u);
    EXPECT_THROW(spec::parse_memory_mb(""), holon::Error);
    EXPECT_THROW(spec::parse_memory_mb("K"), holon::Error);
    EXPECT_THROW(spec::parse_memory_mb("999999999999999999T"), holon::Error);
}

TEST(SpecGrammar, TimesAreThoseOfSlurm) {
    EXPECT_EQ(spec::parse_time_s("5"), 300u);
    EXPECT_EQ(spec::parse_time_s("5:30"), 330u);
    EXPECT_EQ(spec::parse_time_s("1:00:30"), 3630u);
    EXPECT_EQ(spec::parse_time_s("1-2"), 93600u);
    EXPECT_EQ(spec::parse_time_s("1-2:30"), 95400u);
    EXPECT_EQ(spec::parse_time_s("1-2:30:15"), 95415u);
    for (const char* text : {"", "-", ":", "1:", "1-", "-1", "a", "1:2:3:4", "999999-0"})
        EXPECT_THROW(spec::parse_time_s(text), holon::Error) << text;
}

TEST(SpecOptions, TheTimeBetweenCheckpointsIsOfSlurmsGrammarOrMissing) {
    for (const char* good : {"", "30", "1", "1:30", "2:00:00", "1-0"})
        EXPECT_FALSE(spec::check_option("vm-checkpoint", good)) << good;
    for (const char* bad : {"0", "0:59", "x", "-1", "1000-0"})
        EXPECT_TRUE(spec::check_option("vm-checkpoint", bad)) << bad;
}

TEST(SpecOptions, TheTimeBeforeTheTimeLimitIsOfSlurmsGrammar) {
    for (const char* good : {"1", "5", "1:30", "18:00:00"})
        EXPECT_TRUE(accepts("vm-checkpoint-before", good)) << good;
    for (const char* bad : {"", "0", "0:59", "18:00:01", "x"})
        EXPECT_TRUE(refuses("vm-checkpoint-before", bad)) << bad;
}

TEST(SpecOptions, ARestartNamesAJobOrAFolder) {
    for (const char* good : {"42", "/scratch/alice/42", "./42", "../c/42/3"})
        EXPECT_FALSE(spec::check_option("vm-restart", good)) << good;
    for (const char* bad : {"", "0", "67108864", "newest", "42/3", "/"})
        EXPECT_TRUE(spec::check_option("vm-restart", bad)) << bad;
    EXPECT_FALSE(spec::check_option("vm-checkpoint-dir", "./c"));
    EXPECT_TRUE(spec::check_option("vm-checkpoint-dir", "c"));
    EXPECT_TRUE(spec::check_option("vm-checkpoint-dir", ""));
}
