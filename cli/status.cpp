// SPDX-License-Identifier: GPL-2.0-or-later
// holon status: the asker's VMs on all nodes.
#include "cli/status.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cli/command.h"
#include "cli/table.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

namespace holon::cli {

using nlohmann::json;

namespace {

// "vm10" → 10, for sorting.
std::uint64_t vm_number(const json& vm) {
    const std::string name = vm.value("vm", "");
    const std::size_t start = name.find_first_of("0123456789");
    return start == std::string::npos ? 0 : std::strtoull(name.c_str() + start, nullptr, 10);
}

std::uint32_t job_of(const json& vm) { return vm.value("job", 0u); }

// A virtual SMP as the one machine that it is, from its parts, which are by number.
json whole_of(const std::vector<const json*>& parts) {
    json whole = *parts.front();
    std::vector<std::string> nodes;
    std::uint32_t cpus = 0;
    double cpu_s = 0, uptime = 0;
    std::uint64_t peak = 0;
    std::string state, address;
    for (const json* part : parts) {
        cpus += part->value("vcpus", 0u);
        cpu_s += part->value("cpu_s", 0.0);
        peak += part->value("peak_mb", std::uint64_t{0});
        uptime = std::max(uptime, part->value("uptime_s", 0.0));
        const std::string node = part->value("node", "");
        if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
        // It is what the part that is behind is.
        if (state.empty() || state == "running") state = part->value("state", "");
        if (part->value("home", false)) {
            whole["memory_mb"] = part->value("memory_mb", std::uint64_t{0});
            address = part->value("address", "");
        }
    }
    whole["vm"] = fmt::format("smp-{}", job_of(whole));
    whole["node"] = plan::compress_hostlist(nodes);
    whole["vcpus"] = cpus;
    whole["cpu_s"] = cpu_s;
    whole["peak_mb"] = peak;
    whole["uptime_s"] = uptime;
    whole["state"] = state;
    whole["address"] = address;
    whole["reason"] = "";
    return whole;
}

}  // namespace

View collect(const std::vector<Answer>& answers) {
    View view;
    for (const Answer& answer : answers) {
        if (!answer.error.empty()) {
            view.unreachable.push_back(answer);
            continue;
        }
        for (const json& vm : answer.reply.value("vms", json::array())) view.vms.push_back(vm);
    }
    std::sort(view.vms.begin(), view.vms.end(), [](const json& a, const json& b) {
        return std::pair(job_of(a), vm_number(a)) < std::pair(job_of(b), vm_number(b));
    });
    return view;
}

std::string status_text(const View& view, bool with_user) {
    std::vector<std::string> header{">JOB", "VM",    "NODE",  ">VCPUS",  ">CPU-TIME",
                                    ">MEM", ">PEAK", "STATE", ">UPTIME", "ADDRESS"};
    if (with_user) header.insert(header.begin() + 1, "USER");
    std::vector<std::vector<std::string>> rows;
    std::string reasons;
    const auto add = [&](const json& vm, bool part) {
        const auto text = [&](const char* key) { return printable(vm.value(key, "")); };
        const double uptime = vm.value("uptime_s", 0.0);
        const double cpu = vm.value("cpu_s", 0.0);
        const auto peak = vm.value("peak_mb", std::uint64_t{0});
        rows.push_back({part ? "" : std::to_string(job_of(vm)), (part ? "  " : "") + text("vm"),
                        text("node"), std::to_string(vm.value("vcpus", 0u)),
                        cpu > 0 ? duration_text(cpu) : "-",
                        memory_text(vm.value("memory_mb", std::uint64_t{0})),
                        peak > 0 ? memory_text(peak) : "-", text("state"),
                        uptime > 0 ? duration_text(uptime) : "-",
                        text("address").empty() ? "-" : text("address")});
        if (with_user)
            rows.back().insert(rows.back().begin() + 1, part ? std::string() : text("user"));
        if (!text("reason").empty())
            reasons += fmt::format("job {}: {}: {}\n", job_of(vm), text("vm"), text("reason"));
    };
    for (std::size_t i = 0; i < view.vms.size();) {
        std::vector<const json*> parts;
        std::size_t end = i;
        for (; end < view.vms.size() && job_of(view.vms[end]) == job_of(view.vms[i]); ++end)
            parts.push_back(&view.vms[end]);
        const bool smp = view.vms[i].value("smp", false);
        if (smp) add(whole_of(parts), false);
        for (const json* part : parts) add(*part, smp);
        i = end;
    }
    return table(header, rows) + reasons;
}

int status(const Arguments& arguments) {
    bool as_json = false;
    std::string job;
    CommandLine line(
        "status [-j JOB] [--json]",
        "Shows the VMs of your running jobs (root: of everybody's), asked from the "
        "nodes they run on; a virtual\n"
        "SMP (--vm-smp) as one machine, with its VMs below. MEM is what the VM has (of an "
        "SMP its home: what a process\n"
        "can use), CPU-TIME and PEAK what its QEMU has used of the node's CPUs and "
        "memory.\n"
        "STATE is one of\n"
        "  waiting   for Slurm or for the image\n"
        "  booting   until the VM has answered\n"
        "  running   the job can use it\n"
        "  moving    to another node of the job\n"
        "  suspended it stands until Slurm resumes the job\n"
        "  saved     it stands as it was saved, and the job ends\n"
        "  failed    with the reason under the table\n"
        "A node that does not answer is named on stderr, and the exit status is 1.");
    namespace po = boost::program_options;
    line.options().add_options()("job,j", po::value(&job)->value_name("JOB"),
                                 "only this job (42, or 42_3 of an array)")(
        "json", po::bool_switch(&as_json), "for programs: {\"vms\":[…], \"unreachable\":[…]}");
    if (const auto end = line.parse(arguments)) return *end;

    const auto config = config::load_default();
    const auto jobs = running_jobs(job.empty() ? std::nullopt : std::optional(job));
    json request{{"op", "status"}};
    if (!job.empty() && jobs.size() == 1) request["job"] = jobs.front().id;
    const View view = collect(ask(nodes_of(jobs), config.rpc.port, request));

    if (as_json) {
        json unreachable = json::array();
        for (const Answer& answer : view.unreachable)
            unreachable.push_back({{"node", answer.node}, {"error", answer.error}});
        std::cout << json{{"vms", view.vms}, {"unreachable", unreachable}}.dump(
                         2, ' ', false, json::error_handler_t::replace)
                  << '\n';
    } else if (!view.vms.empty()) {
        std::cout << status_text(view, ::getuid() == 0);
    } else if (view.unreachable.empty()) {
        std::cout << (job.empty() ? ::getuid() == 0 ? "no VM jobs are running"
                                                    : "no VM jobs of yours are running"
                                  : "no VMs of this job are running")
                  << "; start one with: srun --vm-cluster -N1 hostname\n";
    }
    std::cout.flush();
    for (const Answer& answer : view.unreachable)
        std::cerr << "holon status: " << answer.node << ": " << printable(answer.error) << '\n';
    return view.unreachable.empty() ? exit_good : exit_failed;
}

}  // namespace holon::cli
