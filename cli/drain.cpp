// SPDX-License-Identifier: GPL-2.0-or-later
// holon drain: takes nodes out of service without losing the work of their VM jobs. Each job is
// saved and requeued by its first node, whichever of its nodes is to be emptied.
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cli/ask.h"
#include "cli/command.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"
#include "plugins/plan/plan.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {
namespace {

using nlohmann::json;

constexpr rpc::Timeout longest_save{3'600'000};

// Slurm starts nothing new there. A node that is drained already keeps its reason.
void drain_in_slurm(const std::string& nodes) {
    os::RunOptions options;
    options.env = slurm_environment();
    const std::string states =
        os::run_checked({"sinfo", "-h", "-N", "-n", nodes, "-o", "%T"}, options);
    bool all = !states.empty();
    for (std::size_t at = 0; at < states.size();) {
        const std::size_t end = std::min(states.find('\n', at), states.size());
        all = all && states.substr(at, end - at).starts_with("drain");
        at = end + 1;
    }
    if (!all)
        os::run_checked(
            {"scontrol", "update", "NodeName=" + nodes, "State=DRAIN", "Reason=holon drain"},
            options);
}

// Empty where JOB was saved and requeued; else why not.
std::string leave(const RunningJob& job, std::uint16_t port) {
    const std::string& head = job.nodes.front();
    try {
        auto client = head == host_name() ? rpc::Client::local() : rpc::Client::remote(head, port);
        const json reply = client.call({{"op", "leave"}, {"job", job.id}}, longest_save);
        fmt::print("job {}: saved as checkpoint {} and requeued\n", job.id,
                   reply.value("number", 0u));
        return {};
    } catch (const std::exception& error) {
        return error.what();
    }
}

}  // namespace

int drain(const Arguments& arguments) {
    std::vector<std::string> operands;
    CommandLine line(
        "drain NODES",
        "Takes nodes out of service (scontrol update State=DRAIN) and empties them of VM "
        "jobs: those with\n--vm-checkpoint are saved and requeued, and go on elsewhere. "
        "One line for each job; those that cannot\nbe saved run on, and the exit status "
        "is 1. Other jobs are left alone. For root.");
    line.operands(operands, 1, 1);
    if (const auto end = line.parse(arguments)) return *end;
    if (::getuid() != 0) throw Error("only root may drain a node");
    const auto nodes = plan::expand_hostlist(operands.front());
    const auto config = config::load_default();
    drain_in_slurm(operands.front());
    int result = exit_good;
    std::vector<std::uint32_t> found;
    for (const Answer& answer : ask(nodes, config.rpc.port, {{"op", "status"}})) {
        if (!answer.error.empty()) {
            fmt::print("{}: its VM jobs are not known: {}\n", answer.node, answer.error);
            result = exit_failed;
            continue;
        }
        for (const json& vm : answer.reply.value("vms", json::array()))
            if (const auto job = vm.value("job", 0u);
                std::find(found.begin(), found.end(), job) == found.end())
                found.push_back(job);
    }
    for (const std::uint32_t id : found) {
        std::string why;
        try {
            // Of an array Slurm shows all tasks.
            const auto jobs = running_jobs(std::to_string(id));
            const auto job = std::find_if(jobs.begin(), jobs.end(),
                                          [id](const RunningJob& each) { return each.id == id; });
            if (job == jobs.end() || job->nodes.empty()) continue;  // it has ended meanwhile
            why = leave(*job, config.rpc.port);
        } catch (const std::exception& error) {
            why = fmt::format("job {}: {}", id, error.what());
        }
        if (why.empty()) continue;
        fmt::print("{}\n", why);
        result = exit_failed;
    }
    if (found.empty()) fmt::print("{}: no VM jobs\n", operands.front());
    std::fflush(stdout);
    return result;
}

}  // namespace holon::cli
