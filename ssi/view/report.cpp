// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/view/report.h"

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "plugins/os/error.h"

namespace holon::ssi::view {
namespace {

constexpr std::size_t max_cpuinfo = 16 * 1024;

std::string text_of(const char* path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

Report make_report(std::string_view cpuinfo, std::string_view stat, std::string_view loadavg,
                   std::uint32_t cpus, const KernelCpus& kernel) {
    Report report;
    report.cpus = cpus;
    report.up = true;
    report.cpuinfo = cpuinfo.substr(0, std::min(cpuinfo.find("\n\n"), max_cpuinfo));
    std::map<unsigned, CpuTimes> all;
    std::istringstream lines{std::string(stat)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (name == "ctxt") words >> report.switches;
        if (name == "processes") words >> report.forks;
        if (!name.starts_with("cpu") || name == "cpu") continue;
        for (std::uint64_t& field : all[static_cast<unsigned>(std::atoi(name.c_str() + 3))])
            words >> field;
    }
    std::vector<CpuTimes> usable;
    for (const auto& [cpu, times] : all)
        if (kernel.has(cpu)) usable.push_back(times);
    for (std::uint32_t i = 0; i < cpus; ++i)
        report.times.push_back(usable.empty() ? CpuTimes{} : usable[i % usable.size()]);
    const std::string load(loadavg);
    std::sscanf(load.c_str(), "%lf %lf %lf %u/%u", &report.load[0], &report.load[1],
                &report.load[2], &report.running, &report.tasks);
    return report;
}

Report report_of_this_node(std::uint32_t cpus, const KernelCpus& kernel) {
    return make_report(text_of("/proc/cpuinfo"), text_of("/proc/stat"), text_of("/proc/loadavg"),
                       cpus, kernel);
}

std::string encode(const Report& report) {
    return nlohmann::json{{"cpus", report.cpus},       {"up", report.up},
                          {"cpuinfo", report.cpuinfo}, {"times", report.times},
                          {"load", report.load},       {"running", report.running},
                          {"tasks", report.tasks},     {"switches", report.switches},
                          {"forks", report.forks}}
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Report decode_report(std::string_view text) {
    try {
        const auto json = nlohmann::json::parse(text);
        Report report;
        report.cpus = json.at("cpus").get<std::uint32_t>();
        report.up = json.at("up").get<bool>();
        report.cpuinfo = json.at("cpuinfo").get<std::string>();
        report.times = json.at("times").get<std::vector<CpuTimes>>();
        report.load = json.at("load").get<std::array<double, 3>>();
        report.running = json.at("running").get<std::uint32_t>();
        report.tasks = json.at("tasks").get<std::uint32_t>();
        report.switches = json.at("switches").get<std::uint64_t>();
        report.forks = json.at("forks").get<std::uint64_t>();
        if (report.cpus > CpuMask::capacity || report.cpuinfo.size() > max_cpuinfo)
            throw Error("out of bounds");
        return report;
    } catch (const std::exception& error) {
        throw Error("a node's report cannot be read: {}", error.what());
    }
}

}  // namespace holon::ssi::view
