// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/spec/spec.h"

namespace spec = holon::spec;
using testing::HasSubstr;

namespace {

spec::Spec full() {
    spec::Spec s;
    s.vm_count = 3;
    s.image = "/home/alice/é.qcow2";
    s.vm_cpus = 2;
    s.vm_memory_mb = 384;
    s.network = spec::Network::none;
    s.boot_timeout_s = 90;
    s.script_on_host = true;
    s.submit_dir = "/home/alice";
    s.seed = std::string(64, 'a');
    s.node_memory_mb = 1000;
    s.cpu_memory_mb = 7;
    s.checkpoints = true;
    s.checkpoint_every_s = 1800;
    s.checkpoint_dir = "/scratch/alice";
    s.wished_no_requeue = true;
    s.wished_truncate = true;
    s.warn_signal = 10;
    s.warn_signal_is_ours = true;
    s.warn_before_s = 90;
    s.checkpoint_before_s = 300;
    s.restart = spec::Restart{41, 3, "/scratch/alice/41", {{2, 512}, {2, 512}, {4, 1024}}};
    return s;
}

std::string line(const nlohmann::json& json) {
    try {
        spec::from_json(json.dump());
        return "";
    } catch (const holon::Error& error) {
        return error.what();
    }
}

nlohmann::json good() { return nlohmann::json::parse(spec::to_json(full())); }

}  // namespace

TEST(SpecJson, ComesBackAsItWas) {
    auto text = spec::to_json(full());
    auto s = spec::from_json(text);
    EXPECT_EQ(spec::to_json(s), text);
    EXPECT_EQ(s.vm_count, 3u);
    EXPECT_EQ(s.image, "/home/alice/é.qcow2");
    EXPECT_EQ(s.network, spec::Network::none);
    EXPECT_TRUE(s.script_on_host);
    EXPECT_EQ(s.seed, std::string(64, 'a'));
    EXPECT_EQ(s.node_memory_mb, 1000u);
    EXPECT_EQ(s.cpu_memory_mb, 7u);
    EXPECT_EQ(s.restart, full().restart);
    EXPECT_EQ(s.checkpoint_dir, "/scratch/alice");
    EXPECT_EQ(s.checkpoint_every_s, 1800u);
    EXPECT_TRUE(s.checkpoints && s.wished_no_requeue && s.wished_truncate);
    EXPECT_EQ(s.warn_signal, 10u);
    EXPECT_TRUE(s.warn_signal_is_ours);
    EXPECT_EQ(s.warn_before_s, 90u);
    EXPECT_EQ(s.checkpoint_before_s, 300u);
}

TEST(SpecJson, SaysNothingOfCheckpointsWhereThereIsNothingToSay) {
    spec::Spec s;
    s.image = "tiny";
    EXPECT_THAT(spec::to_json(s), testing::Not(HasSubstr("checkpoint")));
    EXPECT_THAT(spec::to_json(s), testing::Not(HasSubstr("restart")));
    EXPECT_FALSE(spec::from_json(spec::to_json(s)).restart);
}

TEST(SpecJson, ARestartThatIsNoneIsRefused) {
    auto json = good();
    json["restart"]["vms"][0]["vms"] = 4097;
    EXPECT_THAT(line(json), HasSubstr("vms"));
    json = good();
    json["restart"]["vms"] = nlohmann::json::array();
    EXPECT_THAT(line(json), HasSubstr("no VMs"));
    json = good();
    json["restart"]["folder"] = "relative";
    EXPECT_THAT(line(json), HasSubstr("folder"));
    json = good();
    json["restart"]["more"] = 1;
    EXPECT_THAT(line(json), HasSubstr("unknown key"));
    json = good();
    json["checkpoints"]["every_s"] = -1;
    EXPECT_THAT(line(json), HasSubstr("every_s"));
}

TEST(SpecJson, IsOneLineWithSortedKeysAndAVersion) {
    auto text = spec::to_json(full());
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_THAT(text, HasSubstr("\"v\":1"));
    EXPECT_LT(text.find("\"boot_timeout_s\""), text.find("\"image\""));
    EXPECT_LT(text.find("\"vm_count\""), text.find("\"vm_cpus\""));
}

TEST(SpecJson, ASpecWithoutItsSeedIsAccepted) {
    auto json = good();
    json["seed"] = "";
    EXPECT_EQ(line(json), "");
}

TEST(SpecJson, RefusesUnknownKeys) {
    auto json = good();
    json["uid"] = 0;
    EXPECT_THAT(line(json), HasSubstr("uid: unknown key"));
}

TEST(SpecJson, RefusesMissingKeys) {
    const auto all = good();
    for (auto& [key, value] : all.items()) {
        if (key == "checkpoints" || key == "restart") continue;  // of few jobs
        auto json = good();
        json.erase(key);
        EXPECT_THAT(line(json), HasSubstr(key)) << key;
    }
}

TEST(SpecJson, RefusesWrongTypes) {
    const auto all = good();
    for (auto& [key, value] : all.items()) {
        auto json = good();
        json[key] = nlohmann::json::array();
        EXPECT_THAT(line(json), HasSubstr(key)) << key;
        json[key] = -1;
        EXPECT_THAT(line(json), HasSubstr(key)) << key;
    }
}

TEST(SpecJson, RefusesBadValues) {
    const std::pair<const char*, nlohmann::json> bad[] = {
        {"v", 2},
        {"mode", "tree"},
        {"image", ""},
        {"image", "a/b"},
        {"image", "../x"},
        {"image", "/x\n"},
        {"vm_count", 65535},
        {"vm_cpus", 1025},
        {"network", "host"},
        {"seed", "xyz"},
        {"seed", std::string(64, 'G')},
        {"submit_dir", "here"},
        {"boot_timeout_s", 4294967295u},
    };
    for (const auto& [key, value] : bad) {
        auto json = good();
        json[key] = value;
        EXPECT_NE(line(json), "") << key << " = " << value;
    }
}

TEST(SpecJson, RefusesWhatIsNoJsonObject) {
    for (const char* text : {"", "x", "[]", "1", "{", "{\"v\":1}", "null"})
        EXPECT_THROW(spec::from_json(text), holon::Error) << text;
    EXPECT_THROW(spec::from_json(std::string(100000, ' ')), holon::Error);
    EXPECT_THROW(spec::from_json(std::string(60000, '[')), holon::Error);
}

TEST(SpecSpank, ReadsAnOptionEntry) {
    spec::Given given;
    EXPECT_TRUE(spec::read_spank_entry("_SLURM_SPANK_OPTION_holon_vm_cpus=4", given));
    EXPECT_EQ(given, (spec::Given{{"vm-cpus", "4"}}));
}

TEST(SpecSpank, ReadsTheEntryOfAProlog) {
    spec::Given given;
    EXPECT_TRUE(
        spec::read_spank_entry("SPANK__SLURM_SPANK_OPTION_holon_vm_boot_timeout=1:30", given));
    EXPECT_EQ(given.at("vm-boot-timeout"), "1:30");
}

TEST(SpecSpank, NullMeansNoArgument) {
    spec::Given given;
    EXPECT_TRUE(spec::read_spank_entry("_SLURM_SPANK_OPTION_holon_vm_cluster=(null)", given));
    EXPECT_EQ(given.at("vm-cluster"), "");
}

TEST(SpecSpank, LeavesOtherPluginsAlone) {
    spec::Given given;
    for (const char* entry : {"_SLURM_SPANK_OPTION_pyxis_container_image=x", "PATH=/bin",
                              "HOLON_SPEC={}", "_SLURM_SPANK_OPTION_holonic_x=1"})
        EXPECT_FALSE(spec::read_spank_entry(entry, given)) << entry;
    EXPECT_TRUE(given.empty());
}

TEST(SpecSpank, RefusesAnOptionThatDoesNotExist) {
    spec::Given given;
    EXPECT_THROW(spec::read_spank_entry("_SLURM_SPANK_OPTION_holon_vm_tree=(null)", given),
                 holon::Error);
    EXPECT_THROW(spec::read_spank_entry("_SLURM_SPANK_OPTION_holon_", given), holon::Error);
    EXPECT_THROW(spec::read_spank_entry("_SLURM_SPANK_OPTION_holon_vm-cpus=1", given),
                 holon::Error);
}

TEST(SpecSpank, RefusesAnOptionGivenTwice) {
    spec::Given given;
    spec::read_spank_entry("_SLURM_SPANK_OPTION_holon_vm_cpus=4", given);
    EXPECT_THROW(spec::read_spank_entry("SPANK__SLURM_SPANK_OPTION_holon_vm_cpus=8", given),
                 holon::Error);
}

TEST(SpecSpank, KnowsWhichEntriesAreHolons) {
    for (const char* entry :
         {"HOLON_SPEC={}", "SPANK_HOLON_SPEC={}", "HOLON_SPEC",
          "_SLURM_SPANK_OPTION_holon_vm_cpus=1", "SPANK__SLURM_SPANK_OPTION_holon_whatever"})
        EXPECT_TRUE(spec::is_holon_entry(entry)) << entry;
    for (const char* entry :
         {"HOLON_SPECIAL=1", "MY_HOLON_SPEC=1", "_SLURM_SPANK_OPTION_x_y=1", ""})
        EXPECT_FALSE(spec::is_holon_entry(entry)) << entry;
}
