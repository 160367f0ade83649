// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/site/snapshot.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"

namespace holon::site {
namespace {

using Json = nlohmann::json;
constexpr std::size_t longest_name = 255, longest_id = 128, longest_image = 4096;
constexpr std::uint64_t most_memory_mb = 1ull << 40;

const Json& member(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) throw Error("{}: missing", key);
    return *found;
}

bool boolean(const Json& object, const char* key) {
    const Json& value = member(object, key);
    if (!value.is_boolean()) throw Error("{}: neither true nor false", key);
    return value.get<bool>();
}

std::uint64_t number(const Json& object, const char* key, std::uint64_t most) {
    const Json& value = member(object, key);
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
        throw Error("{}: not a whole number up to {}", key, most);
    return value.get<std::uint64_t>();
}

// Printable and short: it ends in logs, and in what Slurm shows.
std::string text(const Json& value, const char* key, std::size_t longest) {
    if (!value.is_string()) throw Error("{}: not a string", key);
    const auto& said = value.get_ref<const std::string&>();
    if (said.size() > longest) throw Error("{}: over {} bytes", key, longest);
    for (const unsigned char c : said)
        if (c < 0x20 || c == 0x7f) throw Error("{}: a control character in it", key);
    return said;
}

const Json& list(const Json& object, const char* key, std::size_t most) {
    const Json& value = member(object, key);
    if (!value.is_array()) throw Error("{}: not a list", key);
    if (value.size() > most) throw Error("{}: over {} entries", key, most);
    return value;
}

std::vector<std::string> names(const Json& object, const char* key) {
    std::vector<std::string> result;
    for (const Json& value : list(object, key, most_images)) {
        result.push_back(text(value, key, longest_name));
        if (result.back().empty()) throw Error("{}: an empty name", key);
    }
    return result;
}

}  // namespace

Json to_json(const NodeReport& report) {
    return {{"name", report.name},      {"healthy", report.healthy}, {"reason", report.reason},
            {"kvm", report.kvm},        {"huge_mb", report.huge_mb}, {"cached", report.cached},
            {"present", report.present}};
}

NodeReport node_report(const Json& json) {
    if (!json.is_object()) throw Error("a node's report is not an object");
    NodeReport report;
    report.name = text(member(json, "name"), "name", longest_name);
    if (report.name.empty()) throw Error("name: empty");
    report.healthy = boolean(json, "healthy");
    report.reason = text(member(json, "reason"), "reason", longest_reason);
    report.kvm = boolean(json, "kvm");
    report.huge_mb = number(json, "huge_mb", most_memory_mb);
    report.cached = names(json, "cached");
    report.present = names(json, "present");
    return report;
}

Json to_json(const CheckpointReport& report) {
    // Runs of equal VMs as one entry: a thousand VMs of one shape are the common case.
    Json shapes = Json::array();
    for (std::size_t i = 0; i < report.shapes.size();) {
        std::size_t count = 1;
        while (i + count < report.shapes.size() && report.shapes[i + count] == report.shapes[i])
            ++count;
        shapes.push_back({{"vms", count},
                          {"cpus", report.shapes[i].cpus},
                          {"memory_mb", report.shapes[i].memory_mb}});
        i += count;
    }
    return {{"job", report.job},
            {"id", report.id},
            {"mode", report.smp ? "smp" : "cluster"},
            {"image", report.image},
            {"shapes", shapes},
            {"uid", report.uid},
            {"folder", report.folder},
            {"network", report.network}};
}

CheckpointReport checkpoint_report(const Json& json) {
    if (!json.is_object()) throw Error("a checkpoint's report is not an object");
    CheckpointReport report;
    report.job = static_cast<std::uint32_t>(number(json, "job", (1u << 26) - 1));
    if (report.job == 0) throw Error("job: 0 is none");
    report.id = text(member(json, "id"), "id", longest_id);
    const std::string mode = text(member(json, "mode"), "mode", 16);
    if (mode != "smp" && mode != "cluster") throw Error("mode: neither smp nor cluster");
    report.smp = mode == "smp";
    report.image = text(member(json, "image"), "image", longest_image);
    for (const Json& entry : list(json, "shapes", most_vms)) {
        if (!entry.is_object()) throw Error("shapes: an entry is not an object");
        const std::uint64_t vms = number(entry, "vms", most_vms);
        placement::Shape shape;
        shape.cpus = static_cast<std::uint32_t>(number(entry, "cpus", 65536));
        shape.memory_mb = number(entry, "memory_mb", most_memory_mb);
        if (vms == 0 || shape.cpus == 0) throw Error("shapes: a VM without CPUs, or none");
        if (vms > most_vms - report.shapes.size()) throw Error("shapes: over {} VMs", most_vms);
        report.shapes.insert(report.shapes.end(), vms, shape);
    }
    report.uid = static_cast<std::uint32_t>(number(json, "uid", UINT32_MAX));
    report.folder = text(member(json, "folder"), "folder", longest_image);
    report.network = boolean(json, "network");
    if (report.shapes.empty()) return report;  // nothing is left of the job
    if (report.id.empty()) throw Error("id: empty");
    if (!report.folder.starts_with('/')) throw Error("folder: not an absolute path");
    return report;
}

namespace {

Json json_of(const SlurmReport& slurm) {
    Json partitions = Json::array();
    for (const auto& one : slurm.partitions)
        partitions.push_back(
            {{"name", one.name}, {"grace_s", one.grace_s}, {"preempted", one.preempted}});
    return {{"user_signal", slurm.user_signal},
            {"append_by_default", slurm.append_by_default},
            {"partitions", std::move(partitions)}};
}

SlurmReport slurm_report(const Json& json) {
    if (!json.is_object()) throw Error("slurm: not an object");
    SlurmReport slurm;
    slurm.user_signal = boolean(json, "user_signal");
    slurm.append_by_default = boolean(json, "append_by_default");
    for (const Json& entry : list(json, "partitions", most_partitions)) {
        if (!entry.is_object()) throw Error("partitions: an entry is not an object");
        slurm.partitions.push_back(
            {text(member(entry, "name"), "name", longest_name),
             static_cast<std::uint32_t>(number(entry, "grace_s", UINT32_MAX)),
             boolean(entry, "preempted")});
    }
    return slurm;
}

}  // namespace

std::string to_json(const Snapshot& snapshot) {
    Json nodes = Json::array(), checkpoints = Json::array();
    for (const auto& node : snapshot.nodes) nodes.push_back(to_json(node));
    for (const auto& checkpoint : snapshot.checkpoints) checkpoints.push_back(to_json(checkpoint));
    const Json json = {{"v", 1},
                       {"time", snapshot.time},
                       {"settled", snapshot.settled},
                       {"nodes", std::move(nodes)},
                       {"checkpoints", std::move(checkpoints)},
                       {"slurm", json_of(snapshot.slurm)}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Snapshot parse_snapshot(std::string_view content) {
    constexpr int deepest = 8;
    bool too_deep = false;
    const auto watch = [&](int depth, Json::parse_event_t, Json&) {
        too_deep = too_deep || depth > deepest;
        return !too_deep;
    };
    const Json json = Json::parse(content, watch, false);
    if (too_deep || !json.is_object()) throw Error("not a JSON object");
    if (number(json, "v", UINT32_MAX) != 1) throw Error("v: of another release of Holon");
    Snapshot snapshot;
    snapshot.time = static_cast<std::int64_t>(number(json, "time", INT64_MAX));
    snapshot.settled = boolean(json, "settled");
    for (const Json& node : list(json, "nodes", most_nodes))
        snapshot.nodes.push_back(node_report(node));
    for (const Json& checkpoint : list(json, "checkpoints", most_checkpoints))
        snapshot.checkpoints.push_back(checkpoint_report(checkpoint));
    snapshot.slurm = slurm_report(member(json, "slurm"));
    return snapshot;
}

}  // namespace holon::site
