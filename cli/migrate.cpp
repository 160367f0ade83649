// SPDX-License-Identifier: GPL-2.0-or-later
// holon migrate: VMs of a running job move to another of its nodes. The job's first node leads.
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/console.h"
#include "cli/progress.h"
#include "cli/status.h"
#include "cli/table.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {
namespace {

using nlohmann::json;

std::string node_of(const json& vm) { return vm.value("node", ""); }

// Of the job's nodes the one with the fewest VMs, but not FROM.
std::string emptiest(const RunningJob& job, const std::vector<json>& vms, const std::string& from) {
    std::map<std::string, std::size_t> count;
    for (const json& vm : vms) ++count[node_of(vm)];
    std::string best;
    for (const std::string& node : job.nodes)
        if (node != from && (best.empty() || count[node] < count[best])) best = node;
    if (best.empty())
        throw Error("job {} has no other node; VMs move between the nodes of a job", job.id);
    return best;
}

void move(const RunningJob& job, std::uint16_t port, const std::string& name, std::uint32_t index,
          const std::string& to, bool as_json) {
    const std::string head = job.nodes.front();
    auto client = head == host_name() ? rpc::Client::local() : rpc::Client::remote(head, port);
    const json request{{"op", "migrate"}, {"job", job.id}, {"vm", index}, {"node", to}};
    ProgressLine progress(as_json                        ? ProgressLine::Form::json
                          : ::isatty(STDERR_FILENO) != 0 ? ProgressLine::Form::terminal
                                                         : ProgressLine::Form::lines);
    constexpr rpc::Timeout patience{180'000};  // holond says something more often than that
    json event;
    try {
        event = client.call(request, patience);
        while (event.value("event", "") == "moving") {
            progress.show(event);
            event = client.next(patience);
        }
    } catch (const Error&) {
        progress.end();
        throw;
    }
    progress.end();
    if (as_json) {
        std::cout << event.dump() << '\n';
        return;
    }
    fmt::print("job {}: {} moved from {} to {}: {} in {:.1f} s; it stood for {:.0f} ms\n", job.id,
               name, printable(event.value("from", "")), printable(event.value("to", "")),
               bytes_text(event.value("bytes", std::uint64_t{0})), event.value("seconds", 0.0),
               event.value("stood_ms", 0.0));
}

}  // namespace

int migrate(const Arguments& arguments) {
    std::string from, to;
    bool as_json = false;
    std::vector<std::string> operands;
    CommandLine line(
        "migrate JOB:VM [--to NODE] | JOB --from NODE [--to NODE]",
        "Moves a VM of a running job, or all that are on a node, to another node of the "
        "same job. The job runs on;\nthe VM stands while its memory and disk are sent. If it "
        "fails the VM runs on where it was.");
    namespace po = boost::program_options;
    line.options().add_options()("from", po::value(&from)->value_name("NODE"),
                                 "all VMs of the job that are on NODE")(
        "to", po::value(&to)->value_name("NODE"),
        "where to; without it, the job's node with the fewest VMs")(
        "json", po::bool_switch(&as_json), "for programs: a line for each event");
    line.operands(operands, 1, 1);
    if (const auto end = line.parse(arguments)) return *end;
    const std::string& what = operands.front();
    const std::size_t colon = what.find(':');
    const std::string job_name = what.substr(0, colon);
    const std::string vm_name = colon == what.npos ? std::string() : what.substr(colon + 1);
    if (vm_name.empty() == from.empty())
        throw Error("which VM? holon migrate JOB:VM, or JOB --from NODE");

    const auto config = config::load_default();
    const auto jobs = running_jobs(job_name);
    if (jobs.empty() || jobs.front().nodes.empty()) throw Error("job {} is not running", job_name);
    const RunningJob& job = jobs.front();
    const View view =
        collect(ask(job.nodes, config.rpc.port, json{{"op", "status"}, {"job", job.id}}));
    for (const Answer& answer : view.unreachable) throw Error("{}: {}", answer.node, answer.error);
    std::vector<json> chosen;
    for (const json& vm : view.vms)
        if (from.empty() ? vm.value("vm", "") == vm_name : node_of(vm) == from)
            chosen.push_back(vm);
    if (chosen.empty() && from.empty()) throw Error("job {}: no {} of yours", job_name, vm_name);
    if (chosen.empty()) throw Error("job {}: no VM of yours on {}", job_name, from);
    for (const json& vm : chosen) {
        const std::string name = vm.value("vm", "");
        const auto index = static_cast<std::uint32_t>(
            std::strtoul(name.c_str() + std::min<std::size_t>(2, name.size()), nullptr, 10));
        move(job, config.rpc.port, name, index,
             to.empty() ? emptiest(job, view.vms, node_of(vm)) : to, as_json);
    }
    return exit_good;
}

}  // namespace holon::cli
