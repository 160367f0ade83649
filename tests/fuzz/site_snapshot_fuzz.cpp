// SPDX-License-Identifier: GPL-2.0-or-later
// The snapshot that slurmctld's plugins read, and the reports of nodes: what was read must come out
// the same when it is written and read again, and facts are made of it without a fault.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "select/site/facts.h"

using namespace holon;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const site::Snapshot snapshot = site::parse_snapshot(text);
        const site::Snapshot again = site::parse_snapshot(site::to_json(snapshot));
        if (again.nodes != snapshot.nodes || again.checkpoints != snapshot.checkpoints)
            std::abort();
        site::Facts facts;
        site::add_snapshot(facts, snapshot);
        placement::Node node;
        for (const auto& report : snapshot.nodes)
            site::fill(node, facts, facts.node(report.name), facts.image("tiny"));
    } catch (const Error&) {
    }
    const auto json = nlohmann::json::parse(text, nullptr, false);
    try {
        site::node_report(json);
    } catch (const Error&) {
    }
    try {
        site::checkpoint_report(json);
    } catch (const Error&) {
    }
    return 0;
}
