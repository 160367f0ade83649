// SPDX-License-Identifier: GPL-2.0-or-later
// holon usage: what the VMs of a job have used of its nodes, also when it has ended.
#include <algorithm>
#include <iostream>
#include <set>
#include <tuple>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"
#include "plugins/plan/plan.h"

namespace holon::cli {
namespace {

using nlohmann::json;

// The nodes of JOB, which may have ended: as slurmctld remembers it, or accounting does.
std::vector<std::string> nodes_of_any(const std::string& job) {
    os::RunOptions options;
    options.env = slurm_environment();
    options.timeout = std::chrono::seconds(20);
    // A requeued job ran on other nodes before; -D has all its runs.
    const std::vector<std::vector<std::string>> sources{
        {"squeue", "-h", "-t", "all", "-o", "%N", "-j", job},
        {"sacct", "-n", "-P", "-X", "-D", "-o", "NodeList", "-j", job}};
    std::set<std::string> nodes;
    for (const auto& argv : sources) {
        const auto answer = os::run(argv, options);
        if (!answer.ok()) continue;
        for (std::size_t at = 0; at < answer.out.size();) {
            const auto end = std::min(answer.out.find('\n', at), answer.out.size());
            const auto list = answer.out.substr(at, end - at);
            at = end + 1;
            if (list.empty() || list.find_first_of(" (") != std::string::npos) continue;
            for (const auto& node : plan::expand_hostlist(list)) nodes.insert(node);
        }
    }
    return {nodes.begin(), nodes.end()};
}

std::string seconds_text(const json& vm) {
    return vm.at("cpu_s").is_number() ? duration_text(vm.at("cpu_s").get<double>()) : "-";
}
std::string peak_text(const json& vm) {
    return vm.at("peak_mb").is_number() ? memory_text(vm.at("peak_mb").get<std::uint64_t>()) : "-";
}

}  // namespace

std::string usage_text(std::vector<json> vms) {
    std::sort(vms.begin(), vms.end(), [](const json& a, const json& b) {
        return std::tuple(a.value("restart", 0u), a.value("vm", "")) <
               std::tuple(b.value("restart", 0u), b.value("vm", ""));
    });
    std::vector<std::vector<std::string>> rows;
    double cpu = 0, reserved = 0;
    for (const json& vm : vms) {
        const double lasted = vm.value("ended", 0.0) - vm.value("began", 0.0);
        rows.push_back({std::to_string(vm.value("restart", 0u)), printable(vm.value("vm", "")),
                        printable(vm.value("node", "")), std::to_string(vm.value("vcpus", 0u)),
                        duration_text(lasted), seconds_text(vm),
                        memory_text(vm.value("memory_mb", std::uint64_t{0})), peak_text(vm)});
        if (vm.at("cpu_s").is_number()) {
            cpu += vm.at("cpu_s").get<double>();
            reserved += lasted * vm.value("vcpus", 0u);
        }
    }
    std::string text =
        table({">RUN", "VM", "NODE", ">VCPUS", ">ELAPSED", ">CPU-TIME", ">MEM", ">PEAK"}, rows);
    if (reserved > 0)
        text += fmt::format("{} of CPU time in all, {:.0f} % of what the VMs could have had\n",
                            duration_text(cpu), 100 * cpu / reserved);
    return text;
}

int usage(const Arguments& arguments) {
    bool as_json = false;
    std::vector<std::string> operands;
    CommandLine line(
        "usage [--json] JOB",
        "Shows what the VMs of a job have used of its nodes, run by run, also when it has ended: "
        "CPU time and the\nmost memory at once, as the kernel counts them for their QEMUs. sacct "
        "does not have that: it counts the\njob's tasks, which wait on the nodes while the work is "
        "done in the VMs.");
    line.operands(operands, 1, 1);
    line.options().add_options()("json", boost::program_options::bool_switch(&as_json),
                                 "for programs: {\"vms\":[…]}");
    if (const auto end = line.parse(arguments)) return *end;
    const std::string& job = operands.front();
    if (job.empty() || job.size() > 9 || job.find_first_not_of("0123456789") != std::string::npos)
        throw Error("'{}' is not a job id; give a number, as squeue shows it", job);
    const auto nodes = nodes_of_any(job);
    if (nodes.empty()) throw Error("job {}: Slurm knows no nodes of it", job);
    std::vector<json> vms;
    int result = exit_good;
    const auto port = config::load_default().rpc.port;
    for (const Answer& answer : ask(nodes, port, {{"op", "usage"}, {"job", std::stoul(job)}})) {
        if (!answer.error.empty()) {
            std::cerr << "holon usage: " << answer.node << ": " << printable(answer.error) << '\n';
            result = exit_failed;
            continue;
        }
        for (const json& vm : answer.reply.value("vms", json::array())) vms.push_back(vm);
    }
    if (as_json)
        std::cout << json{{"vms", vms}}.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    else if (vms.empty())
        std::cout << "job " << job << ": no VM job of yours, or not on record any more\n";
    else
        std::cout << usage_text(std::move(vms));
    return result;
}

}  // namespace holon::cli
