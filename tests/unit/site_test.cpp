// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/site/site.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::site {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

NodeReport node(const std::string& name) {
    NodeReport report;
    report.name = name;
    report.kvm = true;
    report.huge_mb = 64;
    report.cached = {"tiny"};
    report.present = {"debian"};
    return report;
}

CheckpointReport checkpoint() {
    return {42, "7", true, "debian", {{3, 1024}, {5, 2048}, {5, 2048}}, 1000, "/home/a/c", true};
}

std::string refusal(const nlohmann::json& json) {
    try {
        checkpoint_report(json);
        return "accepted";
    } catch (const Error& error) {
        return error.what();
    }
}

TEST(Snapshot, IsReadAsItWasWritten) {
    Snapshot written;
    written.time = 1795395600;
    written.settled = true;
    written.nodes = {node("n1"), node("n2")};
    written.nodes[1].healthy = false;
    written.nodes[1].reason = "libvirt does not answer";
    written.checkpoints = {checkpoint()};
    written.slurm = {true, true, {{"low", 120, true}, {"high", 0, false}}};
    const Snapshot read = parse_snapshot(to_json(written));
    EXPECT_EQ(read.time, written.time);
    EXPECT_TRUE(read.settled);
    EXPECT_EQ(read.nodes, written.nodes);
    EXPECT_EQ(read.checkpoints, written.checkpoints);
    EXPECT_EQ(read.slurm, written.slurm);
}

TEST(Snapshot, WritesEqualVmsOnce) { EXPECT_EQ(to_json(checkpoint())["shapes"].size(), 2u); }

TEST(Snapshot, OfAnotherReleaseIsRefused) {
    EXPECT_THROW(parse_snapshot(R"({"v":2,"time":1,"settled":true,"nodes":[],"checkpoints":[]})"),
                 Error);
    EXPECT_THROW(parse_snapshot("[]"), Error);
    EXPECT_THROW(parse_snapshot("{\"v\":1"), Error);
    EXPECT_THROW(parse_snapshot(std::string(100'000, '[')), Error);
}

TEST(Snapshot, ReportsWithWhatNoHonestNodeSendsAreRefused) {
    auto json = to_json(checkpoint());
    EXPECT_EQ(refusal(json), "accepted");
    json["shapes"][0]["vms"] = 1u << 30;
    EXPECT_THAT(refusal(json), HasSubstr("vms"));
    json = to_json(checkpoint());
    json["job"] = -1;
    EXPECT_THAT(refusal(json), HasSubstr("job"));
    json = to_json(checkpoint());
    json["id"] = "a\nb";
    EXPECT_THAT(refusal(json), HasSubstr("control character"));
    auto report = to_json(node("n1"));
    report["reason"] = std::string(10'000, 'x');
    EXPECT_THROW(node_report(report), Error);
    report = to_json(node(""));
    EXPECT_THROW(node_report(report), Error);
}

TEST(Topology, LeafSwitchesAreDomains) {
    const auto domains = parse_topology(
        "# comment\nSwitchName=s1 Nodes=n[1-2]\nswitchname=s2  nodes=n3 # far\n"
        "SwitchName=top Switches=s[1-2]\nSwitchName=s3 \\\n   Nodes=n[4-5]\nSwitchName=bad "
        "Nodes=n[\n");
    ASSERT_EQ(domains.size(), 3u);
    EXPECT_EQ(domains[0].name, "s1");
    EXPECT_THAT(domains[0].nodes, ElementsAre("n1", "n2"));
    EXPECT_THAT(domains[1].nodes, ElementsAre("n3"));
    EXPECT_THAT(domains[2].nodes, ElementsAre("n4", "n5"));
}

TEST(Topology, BlocksAreDomains) {
    const auto domains = parse_topology("BlockName=b1 Nodes=n[1-2]\nBlockSizes=2\n");
    ASSERT_EQ(domains.size(), 1u);
    EXPECT_EQ(domains[0].name, "b1");
}

Facts facts_of(bool settled) {
    Snapshot snapshot;
    snapshot.settled = settled;
    snapshot.nodes = {node("n1"), node("n2")};
    snapshot.nodes[1].healthy = false;
    snapshot.nodes[1].cached.clear();
    snapshot.checkpoints = {checkpoint()};
    Facts facts;
    add_snapshot(facts, snapshot);
    add_domains(facts, {{"r1", {"n1"}}, {"r2", {"n2"}}});
    return facts;
}

TEST(Facts, TellOfANodeWhatItReported) {
    const Facts facts = facts_of(true);
    placement::Node out;
    fill(out, facts, facts.node("n1"), facts.image("tiny"));
    EXPECT_EQ(out.health, placement::Health::good);
    EXPECT_EQ(out.image, placement::ImageState::cached);
    EXPECT_EQ(out.free_huge_mb, 64u);
    fill(out, facts, facts.node("n1"), facts.image("debian"));
    EXPECT_EQ(out.image, placement::ImageState::present);
    fill(out, facts, facts.node("n2"), facts.image("tiny"));
    EXPECT_EQ(out.health, placement::Health::broken);
    EXPECT_EQ(out.image, placement::ImageState::absent);
}

TEST(Facts, AnImageThatNobodyReportedIsAbsentEverywhere) {
    const Facts facts = facts_of(true);
    placement::Node out;
    fill(out, facts, facts.node("n1"), facts.image("rocky"));
    EXPECT_EQ(out.image, placement::ImageState::absent);
    fill(out, facts, facts.node("n1"), any_image);
    EXPECT_EQ(out.image, placement::ImageState::cached);
}

TEST(Facts, ANodeThatHasNotReportedIsUnknownUntilAllHadTheTime) {
    placement::Node out;
    fill(out, facts_of(false), nullptr, 0);
    EXPECT_EQ(out.health, placement::Health::unknown);
    EXPECT_EQ(out.image, placement::ImageState::cached);
    fill(out, facts_of(true), nullptr, 0);
    EXPECT_EQ(out.health, placement::Health::broken);
}

TEST(Facts, KnowDomainsAndCheckpoints) {
    const Facts facts = facts_of(true);
    EXPECT_NE(facts.domain("n1"), facts.domain("n2"));
    EXPECT_EQ(facts.domain("n9"), 0u);
    ASSERT_NE(facts.checkpoint(42), nullptr);
    EXPECT_EQ(facts.checkpoint(42)->shapes.size(), 3u);
    EXPECT_EQ(facts.checkpoint(43), nullptr);
}

// What the thread said, and a wait for it.
std::mutex said_mutex;
std::condition_variable said_changed;
std::vector<std::string> said;

void hear(const char* line) {
    std::lock_guard lock(said_mutex);
    said.emplace_back(line);
    said_changed.notify_all();
}

class SiteThread : public testing::Test {
  protected:
    SiteThread() {
        char name[] = "/tmp/holon-site-XXXXXX";
        folder_ = ::mkdtemp(name);
        std::ofstream(folder_ / "holon.yaml")
            << "controller: {state_dir: " << folder_.string() << "}\nplacement: {smp_node: 77}\n";
        ::setenv("HOLON_CONFIG", (folder_ / "holon.yaml").c_str(), 1);
        said.clear();
    }
    ~SiteThread() override {
        ::unsetenv("HOLON_CONFIG");
        os::remove_tree(folder_);
    }

    void write(std::int64_t time) const {
        Snapshot snapshot;
        snapshot.time = time;
        snapshot.nodes = {node("n1")};
        os::write_file_atomically(folder_ / snapshot_name, to_json(snapshot), 0644);
    }

    static std::int64_t now() {
        return std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }

    // The facts for which GOOD holds, or the last ones after some seconds.
    template <typename Good>
    static std::shared_ptr<const Facts> wait_for(const Site& site, Good good) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        auto facts = site.facts();
        for (; !good(*facts) && std::chrono::steady_clock::now() < deadline; facts = site.facts())
            std::this_thread::yield();
        return facts;
    }

    std::filesystem::path folder_;
};

TEST_F(SiteThread, ReadsTheSnapshotAndTheWeights) {
    write(now());
    Site site(hear);
    const auto facts = wait_for(site, [](const Facts& f) { return f.known; });
    ASSERT_TRUE(facts->known);
    EXPECT_NE(facts->node("n1"), nullptr);
    EXPECT_EQ(facts->smp.node, 77u);
    EXPECT_GT(facts->generation, 0u);
}

TEST_F(SiteThread, SeesASnapshotThatComesLater) {
    Site site(hear);
    wait_for(site, [](const Facts& f) { return f.generation != 0; });
    write(now());
    EXPECT_TRUE(wait_for(site, [](const Facts& f) { return f.known; })->known);
}

TEST_F(SiteThread, KnowsNothingFromAnOldSnapshotAndSaysSoOnce) {
    write(now() - 3600);
    Site site(hear);
    EXPECT_FALSE(wait_for(site, [](const Facts& f) { return f.generation != 0; })->known);
    std::unique_lock lock(said_mutex);
    ASSERT_TRUE(
        said_changed.wait_for(lock, std::chrono::seconds(20), [] { return !said.empty(); }));
    EXPECT_EQ(said.size(), 1u);
    EXPECT_THAT(said[0], HasSubstr("not written for minutes"));
}

TEST_F(SiteThread, KnowsNothingFromADamagedSnapshot) {
    std::ofstream(folder_ / snapshot_name) << "{\"v\":1,";
    Site site(hear);
    EXPECT_FALSE(wait_for(site, [](const Facts& f) { return f.generation != 0; })->known);
    std::unique_lock lock(said_mutex);
    ASSERT_TRUE(
        said_changed.wait_for(lock, std::chrono::seconds(20), [] { return !said.empty(); }));
    EXPECT_THAT(said[0], HasSubstr("snapshot.json"));
}

}  // namespace
}  // namespace holon::site
