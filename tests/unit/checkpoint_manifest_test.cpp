// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/checkpoint/manifest.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "plugins/checkpoint/digest.h"
#include "plugins/os/error.h"

namespace holon::checkpoint {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Manifest two_vms() {
    Manifest manifest;
    manifest.number = 3;
    manifest.time = 1'795'424'400;
    manifest.holon = "0.1.0";
    manifest.user = "alice";
    manifest.uid = manifest.gid = 1000;
    manifest.pause_us = 4200;
    manifest.image = "tiny";
    manifest.image_identity = "0123abcd";
    manifest.spec.image = "tiny";
    manifest.spec.seed = std::string(64, 'a');
    manifest.plan.job = {42, 1};
    manifest.plan.vni = 42;
    for (std::uint32_t i = 0; i < 2; ++i) {
        SavedVm vm;
        vm.vm = {i,
                 fmt::format("vm{}", i),
                 fmt::format("n{}", i + 1),
                 2,
                 256,
                 fmt::format("02:00:00:2a:00:0{}", i),
                 fmt::format("10.77.0.{}", i + 1)};
        vm.hardware = {1, "pc-i440fx-7.2", false, "max", "An Example CPU @ 2.0GHz", "7.2.22"};
        vm.memory = {fmt::format("vm{}.memory", i), 1000 + i, 5000, std::string(32, '1')};
        manifest.plan.vms.push_back(vm.vm);
        manifest.vms.push_back(vm);
    }
    manifest.vms[1].disk = Part{"vm1.disk", 10, 20, std::string(32, '2')};
    manifest.sessions = {{0xfedcba9876543210,
                          0,
                          "batch",
                          {{"out", 7, SavedStream::File{1, UINT64_MAX, 77}, ""},
                           {"err", 0, std::nullopt, "a pipe"}}}};
    return manifest;
}

// The manifest after CHANGE, with a checksum that fits, as one who edits it would write it.
template <typename Change>
std::string refusal(Change change) {
    json object = json::parse(to_json(two_vms()));
    object.erase("check");
    change(object);
    object["check"] = xxh3(object.dump());
    try {
        from_json(object.dump());
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        return error.what();
    }
    return "read";
}

TEST(CheckpointManifest, SurvivesWritingAndReading) {
    const Manifest manifest = two_vms();
    const std::string text = to_json(manifest);
    const Manifest read = from_json(text);
    EXPECT_EQ(to_json(read), text);
    EXPECT_EQ(read.vms[1].disk, manifest.vms[1].disk);
    EXPECT_EQ(read.vms[0].hardware, manifest.vms[0].hardware);
    EXPECT_EQ(read.sessions, manifest.sessions);
    EXPECT_EQ(read.plan.job.id, 42u);
    EXPECT_EQ(read.spec.seed, manifest.spec.seed);
    EXPECT_EQ(read.bytes(), 1000u + 1001 + 10);
}

TEST(CheckpointManifest, CutAnywhereItIsRefused) {
    const std::string text = to_json(two_vms());
    for (std::size_t size = 0; size + 1 < text.size(); ++size)
        EXPECT_THROW(from_json(std::string_view(text).substr(0, size)), Error) << size;
}

TEST(CheckpointManifest, WithAnyBitFlippedItIsRefused) {
    const std::string text = to_json(two_vms());
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
        std::string damaged = text;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
        EXPECT_THROW(from_json(damaged), Error) << at;
    }
}

TEST(CheckpointManifest, AnotherVersionIsSaidToBeOne) {
    EXPECT_EQ(refusal([](json& object) { object["v"] = 2; }),
              "manifest: made by another release of Holon; this one reads version 1");
}

TEST(CheckpointManifest, KeysThatAreMissingOrUnknownAreNamed) {
    EXPECT_EQ(refusal([](json& object) { object["vms"][1]["memory"].erase("bytes"); }),
              "manifest: vms[1].memory.bytes: missing");
    EXPECT_EQ(refusal([](json& object) { object["sessions"][0]["mood"] = "good"; }),
              "manifest: sessions[0].mood: unknown key");
    EXPECT_EQ(refusal([](json& object) { object["more"] = 1; }), "manifest: more: unknown key");
}

TEST(CheckpointManifest, AFileOutsideItsFolderIsRefused) {
    for (const char* name : {"../vm0.memory", "/etc/shadow", ".hidden", "", "a/b"})
        EXPECT_EQ(refusal([&](json& object) { object["vms"][0]["memory"]["file"] = name; }),
                  "manifest: vms[0].memory.file: not a plain name");
}

TEST(CheckpointManifest, AMachineThatIsNoPlainNameIsRefused) {
    EXPECT_THAT(
        refusal([](json& object) { object["vms"][0]["hardware"]["machine"] = "pc,accel=kvm"; }),
        HasSubstr("vms[0].hardware.machine: not a plain name"));
}

TEST(CheckpointManifest, VmsThatAreNotThoseOfThePlanAreRefused) {
    EXPECT_EQ(refusal([](json& object) { object["vms"].erase(1); }),
              "manifest: vms: not as many as in the plan");
    EXPECT_EQ(refusal([](json& object) { object["vms"][1]["memory_mb"] = 512; }),
              "manifest: vms[1]: not as in the plan");
}

TEST(CheckpointManifest, AnOutputHasAFileOrAReason) {
    EXPECT_THAT(refusal([](json& object) { object["sessions"][0]["streams"][1]["excluded"] = ""; }),
                HasSubstr("either a file or the reason"));
}

TEST(CheckpointManifest, PartsOfItTravelAlone) {
    const Manifest manifest = two_vms();
    EXPECT_EQ(to_json(saved_vm_from_json(to_json(manifest.vms[1]))), to_json(manifest.vms[1]));
    EXPECT_EQ(saved_session_from_json(to_json(manifest.sessions[0])), manifest.sessions[0]);
    EXPECT_THROW(saved_vm_from_json("[]"), Error);
}

TEST(CheckpointManifest, DeepNestingIsRefusedBeforeItCostsAnything) {
    EXPECT_THROW(from_json(std::string(1u << 20, '[')), Error);
}

}  // namespace
}  // namespace holon::checkpoint
