// SPDX-License-Identifier: GPL-2.0-or-later
// holon console: what a VM has written to its first serial port.
#include "cli/console.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "cli/command.h"
#include "cli/console_filter.h"
#include "cli/status.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/plan/plan.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {

using nlohmann::json;

VmName parse_vm_name(std::string_view text) {
    VmName name;
    std::string_view vm = text;
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        name.job = text.substr(0, colon);
        vm = text.substr(colon + 1);
        if (name.job.empty() || name.job.find_first_not_of("0123456789_+") != std::string::npos)
            vm = {};
    }
    if (vm.starts_with("vm")) vm.remove_prefix(2);
    if (vm.empty() || vm.size() > 5 || vm.find_first_not_of("0123456789") != std::string_view::npos)
        throw Error(
            "'{}' is not a VM; give one as holon status shows it: vm1, or with its job 42:vm1",
            text.substr(0, 100));
    name.vm = fmt::format("vm{}", std::strtoul(std::string(vm).c_str(), nullptr, 10));
    return name;
}

const json& find_vm(const std::vector<json>& vms, const VmName& name) {
    std::set<std::uint32_t> jobs;
    for (const json& vm : vms) jobs.insert(vm.value("job", 0u));
    if (jobs.empty())
        throw Error("{}; start one with: srun --vm-cluster -N1 hostname",
                    name.job.empty() ? "no VM jobs of yours are running"
                                     : fmt::format("job {} has no VMs of yours", name.job));
    if (jobs.size() > 1)
        throw Error("{} VM jobs are running ({}); name one of them: holon console {}:{}",
                    jobs.size(), fmt::join(jobs, ", "), *jobs.begin(), name.vm);
    std::vector<std::string> known;
    for (const json& vm : vms) {
        known.push_back(vm.value("vm", ""));
        if (known.back() == name.vm) return vm;
    }
    throw Error("job {} has no {}; it has {}", *jobs.begin(), name.vm,
                plan::compress_hostlist(known));
}

namespace {

void print_console(rpc::Client& client, const json& request) {
    const bool terminal = ::isatty(STDOUT_FILENO) != 0;
    const auto patience = request["follow"] == true ? rpc::Timeout::max() : rpc::Timeout{10'000};
    ConsoleFilter filter;
    for (json message = client.call(request, patience); !message.value("end", false);
         message = client.next(patience)) {
        std::string bytes = decode_base64(message.value("data", ""));
        if (terminal) bytes = filter.pass(bytes);
        if (!os::write_all(STDOUT_FILENO, bytes.data(), bytes.size())) return;  // nobody reads on
    }
}

}  // namespace

int console(const Arguments& arguments) {
    bool follow = false;
    std::string job;
    std::vector<std::string> operands;
    CommandLine line("console [-f] [-j JOB] VM",
                     "Prints what a VM has written to its console (its boot messages, and more "
                     "where its system says\n"
                     "more there). VM is written as in holon status: vm1, or with its job 42:vm1. "
                     "The job is the one\n"
                     "that this shell belongs to (SLURM_JOB_ID), or your only one with VMs.");
    namespace po = boost::program_options;
    line.options().add_options()("follow,f", po::bool_switch(&follow),
                                 "go on until the VM ends, or ^C")(
        "job,j", po::value(&job)->value_name("JOB"), "the job (42, or 42_3 of an array)");
    line.operands(operands, 1, 1);
    if (const auto end = line.parse(arguments)) return *end;

    VmName name = parse_vm_name(operands.front());
    if (!job.empty() && !name.job.empty() && job != name.job)
        throw Error("{} and -j {} name different jobs", operands.front(), job);
    if (name.job.empty()) name.job = job;
    if (const char* own = name.job.empty() ? std::getenv("SLURM_JOB_ID") : nullptr) name.job = own;

    const auto config = config::load_default();
    const auto jobs = running_jobs(name.job.empty() ? std::nullopt : std::optional(name.job));
    json request{{"op", "status"}};
    if (!name.job.empty()) {
        if (jobs.empty()) throw Error("job {} is not running", name.job);
        request["job"] = jobs.front().id;
    }
    const View view = collect(ask(nodes_of(jobs), config.rpc.port, request));
    const auto found = [&]() -> const json& {
        try {
            return find_vm(view.vms, name);
        } catch (const Error&) {
            // The VM may be on a node that did not answer: say that instead.
            for (const Answer& answer : view.unreachable)
                throw Error("{}: {}", answer.node, answer.error);
            throw;
        }
    };
    const json& vm = found();
    const std::string node = vm.value("node", "");
    auto client =
        node == host_name() ? rpc::Client::local() : rpc::Client::remote(node, config.rpc.port);
    print_console(
        client,
        {{"op", "console"}, {"job", vm.value("job", 0u)}, {"vm", name.vm}, {"follow", follow}});
    return exit_good;
}

}  // namespace holon::cli
