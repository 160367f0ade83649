// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/place.h"

#include <gmock/gmock.h>

#include "plugins/os/error.h"

namespace holon::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const char* text) {
    try {
        parse_request(text);
        return "accepted";
    } catch (const Error& error) {
        return error.what();
    }
}

TEST(Place, UnderstandsSbatchsWords) {
    const auto place = parse_request("--vm-smp=6 -n 24 --mem-per-cpu=2G -c2 -x n[3-4]");
    EXPECT_TRUE(place.smp);
    EXPECT_EQ(place.request.mode, placement::Mode::smp);
    EXPECT_EQ(place.request.cpus, 48u);
    EXPECT_EQ(place.request.granule, 2u);
    EXPECT_EQ(place.request.max_nodes, 6u);
    EXPECT_EQ(place.request.cpu_memory_mb, 2048u);
    EXPECT_THAT(place.excluded, ElementsAre("n3", "n4"));
}

TEST(Place, TakesARangeOfNodes) {
    const auto place = parse_request("--vm-cluster -N 2-4 --ntasks-per-node=3");
    EXPECT_EQ(place.request.min_nodes, 2u);
    EXPECT_EQ(place.request.max_nodes, 4u);
    EXPECT_EQ(place.request.cpus, 6u);
    EXPECT_EQ(place.request.min_cpus_per_node, 3u);
}

TEST(Place, TakesTheShapesOfACheckpoint) {
    const auto place = parse_request("--vm-shapes=2:512x2,4:1G");
    EXPECT_EQ(place.request.mode, placement::Mode::restart);
    EXPECT_THAT(
        place.request.shapes,
        ElementsAre(placement::Shape{2, 512}, placement::Shape{2, 512}, placement::Shape{4, 1024}));
}

TEST(Place, RefusesWhatItDoesNotUnderstand) {
    EXPECT_THAT(refusal("--vm-smp --gres=gpu:1"), HasSubstr("--gres"));
    EXPECT_THAT(refusal("-n 4"), HasSubstr("--vm-smp or --vm-cluster"));
    EXPECT_THAT(refusal("--vm-smp -n"), HasSubstr("--ntasks"));
    EXPECT_THAT(refusal("--vm-smp -n 0"), HasSubstr("--ntasks 0"));
}

TEST(Place, ReadsNodesWithTheirDomainsAndImages) {
    const auto place = parse_request("--vm-cluster -N1 --vm-image=tiny -w n2");
    const auto nodes =
        read_nodes(nlohmann::json::parse(R"([{"name":"n[1-2]","cpus":8,"free_cpus":3,"memory":"2G",
            "domain":"r1","cached":["tiny"]},{"name":"n3","cpus":4,"present":["tiny"],"kvm":false,
            "health":"unknown"},{"name":"n4","cpus":4}])"),
                   place);
    EXPECT_THAT(nodes.names, ElementsAre("n1", "n2", "n3", "n4"));
    EXPECT_EQ(nodes.nodes[0].free_cpus, 3u);
    EXPECT_EQ(nodes.nodes[0].free_memory_mb, 2048u);
    EXPECT_NE(nodes.nodes[0].domain, nodes.nodes[2].domain);
    EXPECT_TRUE(nodes.nodes[1].required);
    EXPECT_EQ(nodes.nodes[2].image, placement::ImageState::present);
    EXPECT_EQ(nodes.nodes[3].image, placement::ImageState::absent);
    EXPECT_FALSE(nodes.nodes[2].kvm);
}

TEST(Place, RefusesNodesThatAreNone) {
    const auto place = parse_request("--vm-cluster");
    EXPECT_THROW(read_nodes(nlohmann::json::parse("{}"), place), Error);
    EXPECT_THROW(read_nodes(nlohmann::json::parse(R"([{"name":"n1"}])"), place), Error);
    EXPECT_THROW(read_nodes(nlohmann::json::parse(R"([{"name":"n1","cpus":1,"cpu":2}])"), place),
                 Error);
    EXPECT_THROW(read_nodes(nlohmann::json::parse("[]"), parse_request("--vm-cluster -w n1")),
                 Error);
}

}  // namespace
}  // namespace holon::cli
