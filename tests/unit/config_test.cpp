// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/config/config.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The tree this test was compiled in.
std::filesystem::path shipped_file() {
    return std::filesystem::path(HOLON_SOURCE_DIR) / "etc/holon.yaml";
}

std::string refusal(const std::string& text) {
    try {
        parse(text, "/etc/holon/holon.yaml");
    } catch (const Error& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Config, TheShippedFileIsTheBuiltInDefaults) {
    EXPECT_EQ(describe(load(shipped_file())), describe(Config{}));
}

TEST(Config, TheShippedFileShowsEveryKeyWithAComment) {
    std::ifstream file(shipped_file());
    std::string line, section;
    std::vector<std::string> shown;
    bool commented = false;
    while (std::getline(file, line)) {
        const std::size_t start = line.find_first_not_of(' ');
        if (start == std::string::npos) continue;
        if (line[start] == '#') {
            commented = true;
            continue;
        }
        const std::string name = line.substr(start, line.find(':') - start);
        if (start == 0) section = line.back() == ':' ? name : "";
        if (line.back() == ':') continue;
        shown.push_back(start == 0 ? name : section + "." + name);
        EXPECT_TRUE(commented) << shown.back() << " has no comment";
        commented = false;
    }
    EXPECT_EQ(shown, keys());
}

TEST(Config, TheManualPageHasEveryKey) {
    const std::string page =
        os::read_file(shipped_file().parent_path().parent_path() / "docs/man/holon.yaml.5");
    for (const std::string& key : keys())
        EXPECT_THAT(page, HasSubstr(".It Va " + key + " : Li ")) << key;
}

TEST(Config, WhatDescribeWritesCanBeReadBack) {
    Config config =
        parse("vm: {boot_timeout: 4:05, accelerator: tcg}\nlimits: {max_vm_memory: 3G}\n", "x");
    EXPECT_THAT(describe(config), HasSubstr("vm.boot_timeout: 0:04:05\n"));
    EXPECT_THAT(describe(config), HasSubstr("vm.accelerator: tcg\n"));
    EXPECT_THAT(describe(config), HasSubstr("limits.max_vm_memory: 3072M\n"));
}

TEST(Config, EveryKindOfValueArrivesWhereItBelongs) {
    const Config config = parse(R"(state_dir: /scratch/holon
rpc: {port: 7000}
images: {path: [/a, /b], default_image: debian, user_file_kernel: debian, allow_user_files: false}
vm: {accelerator: kvm, cpu_model: Skylake-Server, memory_reserve: 1G, default_memory: 2048, tcg_cache: 256M, boot_timeout: 2,
     libvirt_uri: "qemu:///session"}
network: {subnet: 192.168.0.0/20, vxlan_port: 9000, mtu: 8950}
limits: {max_vms: 16, max_vm_cpus: 8, max_vm_memory: 64G, max_boot_timeout: 10}
)",
                                "x");
    EXPECT_EQ(config.state_dir, "/scratch/holon");
    EXPECT_EQ(config.rpc.port, 7000);
    EXPECT_EQ(config.images.path, (std::vector<std::filesystem::path>{"/a", "/b"}));
    EXPECT_EQ(config.images.default_image, "debian");
    EXPECT_EQ(config.images.user_file_kernel, "debian");
    EXPECT_FALSE(config.images.allow_user_files);
    EXPECT_EQ(config.vm.accelerator, Accelerator::kvm);
    EXPECT_EQ(config.vm.cpu_model, "Skylake-Server");
    EXPECT_EQ(config.vm.memory_reserve_mb, 1024u);
    EXPECT_EQ(config.vm.default_memory_mb, 2048u);
    EXPECT_EQ(config.vm.tcg_cache_mb, 256u);
    EXPECT_EQ(config.vm.boot_timeout_s, 120u);
    EXPECT_EQ(config.vm.libvirt_uri, "qemu:///session");
    EXPECT_EQ(config.network.subnet, "192.168.0.0/20");
    EXPECT_EQ(config.network.vxlan_port, 9000);
    EXPECT_EQ(config.network.mtu, 8950u);
    EXPECT_EQ(config.limits.max_vms, 16u);
    EXPECT_EQ(config.limits.max_vm_cpus, 8u);
    EXPECT_EQ(config.limits.max_vm_memory_mb, 65536u);
    EXPECT_EQ(config.limits.max_boot_timeout_s, 600u);
    EXPECT_EQ(config.sizing().reserve_mb, 1024u);
    EXPECT_EQ(config.sizing().subnet, "192.168.0.0/20");
    EXPECT_EQ(config.spec_limits().max_vms, 16u);
    EXPECT_EQ(config.spec_limits().default_image, "debian");
}

TEST(Config, RulesOfLimitsArriveAndCanBeReadBack) {
    const Config config = parse(R"(limits:
  allow_smp: true
  rules:
    - {partition: debug, max_vms: 4, max_boot_timeout: 2}
    - {user: guest, image: big, allow: false, max_vm_memory: 2G, max_vm_cpus: 3}
    - {partition: smp, allow_smp: true, allow_user_files: false}
)",
                                "x");
    ASSERT_EQ(config.limits.rules.size(), 3u);
    EXPECT_EQ(config.limits.rules[0],
              (spec::Limits::Rule{.partition = "debug", .max_vms = 4, .max_boot_timeout_s = 120}));
    EXPECT_FALSE(config.limits.rules[1].allow);
    EXPECT_EQ(config.limits.rules[1].max_vm_memory_mb, 2048u);
    const std::string text = describe(config);
    const std::size_t at = text.find("limits.rules: ");
    const std::string line = text.substr(at + 14, text.find('\n', at) - at - 14);
    EXPECT_EQ(parse("limits: {rules: " + line + "}", "x").limits.rules, config.limits.rules);
    EXPECT_EQ(config.spec_limits().rules, config.limits.rules);
    EXPECT_TRUE(config.spec_limits().allow_smp);
}

TEST(Config, ARuleForNobodyAndAnUnknownKeyOfOneAreRefused) {
    EXPECT_THAT(refusal("limits: {rules: [{max_vms: 4}]}"), HasSubstr("is for nobody"));
    EXPECT_THAT(refusal("limits: {rules: [{partition: a, max_vm: 4}]}"),
                HasSubstr("'max_vm' is no key of a rule"));
    EXPECT_THAT(refusal("limits: {rules: [{partition: a, max_vms: 0}]}"), HasSubstr("max_vms"));
}

TEST(Config, PlacementAndControllerArriveWhereTheyBelong) {
    const Config config = parse(R"(vm: {memory_overhead: add}
placement: {smp_node: 7, cluster_domain: 9, candidates: 2, domains: ["r1=n[1-2]", "r2=n3"]}
controller: {hosts: [a, b.site], port: 7001, heartbeat: 5, state_dir: /x}
)",
                                "x");
    EXPECT_TRUE(config.spec_limits().add_memory_reserve);
    EXPECT_EQ(config.placement.smp.node, 7u);
    EXPECT_EQ(config.placement.cluster.domain, 9u);
    EXPECT_EQ(config.placement.candidates, 2u);
    EXPECT_EQ(config.placement.domains, (std::vector<std::string>{"r1=n[1-2]", "r2=n3"}));
    EXPECT_EQ(config.controller.hosts, (std::vector<std::string>{"a", "b.site"}));
    EXPECT_EQ(config.controller.heartbeat_s, 5u);
    EXPECT_THAT(refusal("placement: {domains: [\"n[1-2]\"]}"), HasSubstr("placement.domains"));
}

TEST(Config, AnEmptyFileAndEmptySectionsAreTheDefaults) {
    EXPECT_EQ(describe(parse("", "x")), describe(Config{}));
    EXPECT_EQ(describe(parse("# nothing\nvm:\n", "x")), describe(Config{}));
}

TEST(Config, AnUnknownKeyIsNamedWithItsPlaceAndTheNearestKnownOne) {
    EXPECT_EQ(
        refusal("vm:\n  memory_reserv: 128M\n"),
        "/etc/holon/holon.yaml:2:3: vm.memory_reserv: unknown key; did you mean memory_reserve?");
    EXPECT_THAT(refusal("vms: {}\n"),
                StartsWith("/etc/holon/holon.yaml:1:1: vms: unknown key; did you mean vm?"));
}

TEST(Config, AnUnknownKeyLikeNoOtherListsWhatIsKnown) {
    EXPECT_THAT(refusal("rpc: {certificate: x}\n"),
                HasSubstr("rpc.certificate: unknown key; known here: port"));
}

TEST(Config, AWrongTypeIsNamedWithItsPlace) {
    EXPECT_THAT(refusal("rpc:\n  port: [1, 2]\n"),
                StartsWith("/etc/holon/holon.yaml:2:9: rpc.port: "));
    EXPECT_THAT(refusal("rpc: 5\n"), StartsWith("/etc/holon/holon.yaml:1:6: rpc: a section"));
    EXPECT_THAT(refusal("- a\n"), HasSubstr(":1:1: "));
    EXPECT_THAT(refusal("images: {path: {a: b}}\n"), HasSubstr("images.path: "));
    EXPECT_THAT(refusal("images: {path: []}\n"), HasSubstr("images.path: "));
}

TEST(Config, ABadValueSaysWhatIsAccepted) {
    EXPECT_EQ(refusal("rpc:\n  port: 65536\n"),
              "/etc/holon/holon.yaml:2:9: rpc.port: '65536' is not accepted; give a whole number "
              "from 1 to 65535");
    for (const char* bad : {"rpc: {port: 0}",
                            "rpc: {port: -1}",
                            "rpc: {port: 6829x}",
                            "rpc: {port: }",
                            "vm: {memory_reserve: lots}",
                            "vm: {memory_reserve: 0}",
                            "vm: {default_memory: 10M}",
                            "vm: {boot_timeout: soon}",
                            "vm: {boot_timeout: 0}",
                            "vm: {accelerator: xen}",
                            "vm: {libvirt_uri: nowhere}",
                            "vm: {cpu_model: \"<evil/>\"}",
                            "images: {path: relative}",
                            "images: {default_image: ../etc}",
                            "images: {allow_user_files: maybe}",
                            "network: {subnet: 10.77.0.1/16}",
                            "network: {vxlan_port: 65533}",
                            "network: {mtu: 100}",
                            "limits: {max_vms: 4097}",
                            "limits: {max_vm_memory: 0}",
                            "state_dir: jobs",
                            "vm: {boot_timeout: 2-0}"})
        EXPECT_THAT(refusal(bad), StartsWith("/etc/holon/holon.yaml:1:")) << bad;
}

TEST(Config, AKeyGivenTwiceIsAnError) {
    EXPECT_THAT(refusal("rpc:\n  port: 1\n  port: 2\n"), HasSubstr(":3:3: rpc.port: given twice"));
    EXPECT_THAT(refusal("rpc: {}\nrpc: {}\n"), HasSubstr(":2:1: rpc: given twice"));
}

TEST(Config, BrokenYamlIsNamedWithItsPlace) {
    EXPECT_THAT(refusal("vm: [\n"), StartsWith("/etc/holon/holon.yaml:"));
    EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("goes on behind its end"));
    EXPECT_THAT(refusal("rpc: {port: 1}\n]\n"), HasSubstr("/etc/holon/holon.yaml:"));
}

TEST(Config, ABootTimeoutAboveTheSitesLimitIsAnError) {
    EXPECT_THAT(refusal("limits: {max_boot_timeout: 1}\n"), HasSubstr("vm.boot_timeout (180 s)"));
}

TEST(Config, AMissingFileIsNamed) {
    try {
        load("/nonexistent/holon.yaml");
        FAIL();
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("/nonexistent/holon.yaml"));
    }
}

TEST(Config, TheEnvironmentNamesAnotherFile) {
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / fmt::format("holon-config-test-{}.yaml", getpid());
    os::write_file_atomically(file, "rpc: {port: 7}\n", 0600);
    setenv("HOLON_CONFIG", file.c_str(), 1);
    EXPECT_EQ(load_default().rpc.port, 7);
    EXPECT_EQ(load_default().file, file);
    unsetenv("HOLON_CONFIG");
    std::filesystem::remove(file);
}

}  // namespace
}  // namespace holon::config
