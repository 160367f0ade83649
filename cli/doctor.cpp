// SPDX-License-Identifier: GPL-2.0-or-later
// holon doctor: checks of this host.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/doctor/check.h"
#include "cli/doctor/leaks.h"
#include "plugins/os/error.h"

namespace holon::cli {
namespace {

const char* word(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "ok";
        case Verdict::warning:
            return "warning";
        case Verdict::failure:
            return "failure";
        case Verdict::not_checked:
            return "not checked";
    }
    return "";
}

unsigned roles_of(const Site& site, bool node, bool controller) {
    unsigned roles = everywhere;
    if (node || controller)
        return roles | (node ? on_node : 0u) | (controller ? on_controller : 0u);
    if (!site.node_name.empty()) roles |= on_node;
    if (site.controller) roles |= on_controller;
    return roles;
}

std::string roles_text(unsigned roles) {
    std::string text;
    if ((roles & on_controller) != 0) text += "controller";
    if ((roles & on_node) != 0) text += text.empty() ? "node" : " and node";
    return text.empty() ? "neither a node nor a controller of the cluster, as far as Slurm tells"
                        : text;
}

}  // namespace

int doctor(const Arguments& arguments) {
    bool node = false, controller = false, leaks = false, expect_none = false, as_json = false;
    CommandLine line("doctor [--node] [--controller] [--json] | --leaks [--expect-none] [--json]",
                     "Checks this host, prints one line for each check, and below a bad one what "
                     "to do about it. What cannot be\n"
                     "checked is said to be so. Exit status 1 if a check failed; warnings do not "
                     "count. Run it as root: much cannot\n"
                     "be seen otherwise.\n"
                     "\n"
                     "With --leaks it looks for what ended jobs have left on this host instead: "
                     "domains, QEMU processes, interfaces,\n"
                     "packet filters, folders, cgroups. holond says which jobs are alive; where it "
                     "does not answer, all that is there\n"
                     "counts. Exit status 1 if anything is left.");
    namespace po = boost::program_options;
    line.options().add_options()("node", po::bool_switch(&node),
                                 "as a compute node (default: what Slurm says this host is)")(
        "controller", po::bool_switch(&controller),
        "as a controller: also asks holond on every node")("leaks", po::bool_switch(&leaks),
                                                           "look for what ended jobs have left")(
        "expect-none", po::bool_switch(&expect_none),
        "with --leaks: no job should be here; everything counts, holond is not asked")(
        "json", po::bool_switch(&as_json), "for programs");
    if (const auto end = line.parse(arguments)) return *end;
    if (expect_none && !leaks) throw Error("--expect-none goes with --leaks");

    if (leaks) return report_leaks(look_at_host(), expect_none, as_json);
    const Site site = look_around();
    const unsigned roles = roles_of(site, node, controller);
    std::vector<Result> results;
    for (const Check& check : all_checks())
        if ((check.roles & roles) != 0) results.push_back(make(check, site));
    const auto count = [&](Verdict verdict) {
        return std::count_if(results.begin(), results.end(), [&](const Result& result) {
            return result.finding.verdict == verdict;
        });
    };
    if (as_json) {
        using nlohmann::json;
        json checks = json::array();
        for (const Result& result : results)
            checks.push_back({{"name", result.name},
                              {"result", word(result.finding.verdict)},
                              {"seen", result.finding.seen},
                              {"mend", result.finding.mend}});
        std::cout << json{{"host", site.host},
                          {"version", HOLON_VERSION},
                          {"ok", count(Verdict::failure) == 0},
                          {"checks", checks}}
                         .dump(2, ' ', false, json::error_handler_t::replace)
                  << '\n';
    } else {
        std::cout << fmt::format("{}: {}\n", site.host, roles_text(roles)) << to_text(results)
                  << fmt::format("{} failed, {} warnings, {} not checked, {} ok\n",
                                 count(Verdict::failure), count(Verdict::warning),
                                 count(Verdict::not_checked), count(Verdict::ok));
    }
    return count(Verdict::failure) == 0 ? exit_good : exit_failed;
}

}  // namespace holon::cli
