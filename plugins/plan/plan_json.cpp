// SPDX-License-Identifier: GPL-2.0-or-later
// The stored form of a plan. It is read back by the same or a newer holond; every field is checked,
// for a plan that was cut short or edited must not become half a job.
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

namespace holon::plan {

using nlohmann::json;

std::string to_json(const Plan& plan) {
    json vms = json::array();
    for (const Vm& vm : plan.vms)
        vms.push_back({{"index", vm.index},
                       {"name", vm.name},
                       {"node", vm.node},
                       {"cpus", vm.cpus},
                       {"memory_mb", vm.memory_mb},
                       {"mac", vm.mac},
                       {"address", vm.address}});
    return json{{"v", 1},
                {"job", plan.job.id},
                {"restart", plan.job.restart},
                {"vni", plan.vni},
                {"udp_port_offset", plan.udp_port_offset},
                {"prefix_length", plan.prefix_length},
                {"vms", std::move(vms)}}
        .dump();
}

namespace {

template <typename Number>
Number unsigned_at(const json& object, const char* key) {
    const json& value = object.at(key);
    if (!value.is_number_unsigned() ||
        value.get<std::uint64_t>() > std::numeric_limits<Number>::max())
        throw Error("plan: {}: not a whole number in range", key);
    return value.get<Number>();
}

}  // namespace

Plan from_json(std::string_view text) {
    try {
        const json object = json::parse(text);
        if (unsigned_at<std::uint32_t>(object, "v") != 1)
            throw Error("plan: version {} is not known to this release", object.at("v").dump());
        Plan plan;
        plan.job.id = unsigned_at<std::uint32_t>(object, "job");
        plan.job.restart = unsigned_at<std::uint32_t>(object, "restart");
        plan.vni = unsigned_at<std::uint32_t>(object, "vni");
        plan.udp_port_offset = unsigned_at<std::uint32_t>(object, "udp_port_offset");
        plan.prefix_length = unsigned_at<std::uint32_t>(object, "prefix_length");
        for (const json& entry : object.at("vms")) {
            Vm vm;
            vm.index = unsigned_at<std::uint32_t>(entry, "index");
            vm.name = entry.at("name").get<std::string>();
            vm.node = entry.at("node").get<std::string>();
            vm.cpus = unsigned_at<std::uint32_t>(entry, "cpus");
            vm.memory_mb = unsigned_at<std::uint64_t>(entry, "memory_mb");
            vm.mac = entry.at("mac").get<std::string>();
            vm.address = entry.at("address").get<std::string>();
            if (vm.index != plan.vms.size() || vm.cpus == 0 || vm.name.empty() || vm.node.empty())
                throw Error("plan: VM {}: not in order, or incomplete", vm.index);
            plan.vms.push_back(std::move(vm));
        }
        if (plan.job.id == 0 || plan.job.id >= max_job_id || plan.vms.empty())
            throw Error("plan: no job or no VM in it");
        return plan;
    } catch (const json::exception& error) {
        throw Error("plan: {}", error.what());
    }
}

}  // namespace holon::plan
