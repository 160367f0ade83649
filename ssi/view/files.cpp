// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/view/files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <sstream>

namespace holon::ssi::view {
namespace {

constexpr int here = 10, elsewhere = 100;  // NUMA distances: another node is a network away

using Names = std::vector<std::string>;

unsigned total_of(const Machine& machine) {
    unsigned total = 0;
    for (const Report& node : machine.nodes) total += node.cpus;
    return total;
}

// Of one node, by their numbers in the machine.
std::vector<unsigned> cpus_of(const Machine& machine, std::size_t number) {
    unsigned first = 0;
    for (std::size_t i = 0; i < number; ++i) first += machine.nodes[i].cpus;
    std::vector<unsigned> cpus;
    for (unsigned i = 0; machine.nodes[number].up && i < machine.nodes[number].cpus; ++i)
        cpus.push_back(first + i);
    return cpus;
}

std::vector<unsigned> online(const Machine& machine) {
    std::vector<unsigned> all;
    for (std::size_t i = 0; i < machine.nodes.size(); ++i) {
        const auto some = cpus_of(machine, i);
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

std::vector<unsigned> all_of(const Machine& machine) {
    std::vector<unsigned> all(total_of(machine));
    for (unsigned i = 0; i < all.size(); ++i) all[i] = i;
    return all;
}

// The node of a CPU that is there.
std::optional<std::size_t> node_of(const Machine& machine, unsigned cpu) {
    for (std::size_t i = 0; i < machine.nodes.size(); ++i)
        for (const unsigned each : cpus_of(machine, i))
            if (each == cpu) return i;
    return std::nullopt;
}

std::optional<unsigned> number_in(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// One CPU of a node looks like its first but for its numbers. Each node is a package, its CPUs are
// cores: what they share in silicon is not known here.
std::string cpuinfo(const Machine& machine) {
    std::string text;
    for (std::size_t node = 0; node < machine.nodes.size(); ++node) {
        const auto cpus = cpus_of(machine, node);
        for (std::size_t core = 0; core < cpus.size(); ++core) {
            const std::map<std::string, std::string> numbers{
                {"processor", std::to_string(cpus[core])},
                {"physical id", std::to_string(node)},
                {"siblings", std::to_string(cpus.size())},
                {"core id", std::to_string(core)},
                {"cpu cores", std::to_string(cpus.size())},
                {"apicid", std::to_string(cpus[core])},
                {"initial apicid", std::to_string(cpus[core])}};
            std::istringstream lines(machine.nodes[node].cpuinfo);
            for (std::string line; std::getline(lines, line);) {
                const std::string name = line.substr(0, line.find_first_of("\t:"));
                const auto found = numbers.find(name);
                const std::size_t colon = line.find(':');
                if (found != numbers.end() && colon != std::string::npos)
                    line = line.substr(0, colon) + ": " + found->second;
                text += line + '\n';
            }
            text += '\n';
        }
    }
    return text;
}

std::string stat(const Machine& machine) {
    CpuTimes sum{};
    std::string lines;
    std::uint64_t switches = 0, forks = 0, running = 0;
    for (std::size_t node = 0; node < machine.nodes.size(); ++node) {
        const Report& report = machine.nodes[node];
        switches += report.switches;
        forks += report.forks;
        running += report.running;
        const auto cpus = cpus_of(machine, node);
        for (std::size_t i = 0; i < cpus.size(); ++i) {
            const CpuTimes times = i < report.times.size() ? report.times[i] : CpuTimes{};
            for (std::size_t field = 0; field < stat_fields; ++field) sum[field] += times[field];
            lines += fmt::format("cpu{} {}\n", cpus[i], fmt::join(times, " "));
        }
    }
    std::string text = fmt::format("cpu  {}\n{}", fmt::join(sum, " "), lines);
    std::istringstream rest(machine.stat);
    for (std::string line; std::getline(rest, line);) {
        if (line.starts_with("cpu")) continue;
        if (line.starts_with("ctxt ")) line = fmt::format("ctxt {}", switches);
        if (line.starts_with("processes ")) line = fmt::format("processes {}", forks);
        if (line.starts_with("procs_running ")) line = fmt::format("procs_running {}", running);
        text += line + '\n';
    }
    return text;
}

std::string loadavg(const Machine& machine) {
    std::array<double, 3> load{};
    unsigned running = 0, tasks = 0;
    for (const Report& node : machine.nodes) {
        if (!node.up) continue;
        for (std::size_t i = 0; i < load.size(); ++i) load[i] += node.load[i];
        running += node.running;
        tasks += node.tasks;
    }
    const std::size_t last = machine.loadavg.find_last_of(' ');
    return fmt::format("{:.2f} {:.2f} {:.2f} {}/{}{}", load[0], load[1], load[2], running, tasks,
                       last == std::string::npos ? "\n" : machine.loadavg.substr(last));
}

std::optional<std::string> topology(const Machine& machine, unsigned cpu, std::string_view name) {
    const auto node = node_of(machine, cpu);
    if (!node) return std::nullopt;
    const auto package = cpus_of(machine, *node);
    const std::vector<unsigned> itself{cpu};
    const unsigned total = total_of(machine);
    const std::map<std::string, std::string, std::less<>> files{
        {"physical_package_id", std::to_string(*node)},
        {"die_id", "0"},
        {"core_id", std::to_string(cpu - package.front())},
        {"thread_siblings", mask_of(itself, total)},
        {"thread_siblings_list", list_of(itself)},
        {"core_cpus", mask_of(itself, total)},
        {"core_cpus_list", list_of(itself)},
        {"core_siblings", mask_of(package, total)},
        {"core_siblings_list", list_of(package)},
        {"package_cpus", mask_of(package, total)},
        {"package_cpus_list", list_of(package)}};
    const auto found = files.find(name);
    if (found == files.end()) return std::nullopt;
    return found->second + '\n';
}

std::optional<std::string> cpu_file(const Machine& machine, std::string_view path) {
    if (path == "online") return list_of(online(machine)) + '\n';
    if (path == "possible" || path == "present") return list_of(all_of(machine)) + '\n';
    if (path == "offline") {
        std::vector<unsigned> off;
        for (const unsigned cpu : all_of(machine))
            if (!node_of(machine, cpu)) off.push_back(cpu);
        return list_of(off) + '\n';
    }
    if (path == "kernel_max") return std::to_string(CpuMask::capacity - 1) + '\n';
    const std::size_t slash = path.find('/');
    if (!path.starts_with("cpu") || slash == std::string_view::npos) return std::nullopt;
    const auto cpu = number_in(path.substr(3, slash - 3));
    const std::string_view rest = path.substr(slash + 1);
    if (!cpu || !node_of(machine, *cpu)) return std::nullopt;
    if (rest == "online") return "1\n";
    if (rest.starts_with("topology/")) return topology(machine, *cpu, rest.substr(9));
    return std::nullopt;
}

std::optional<std::string> node_file(const Machine& machine, std::string_view path) {
    std::vector<unsigned> numbers, with_cpus;
    for (unsigned i = 0; i < machine.nodes.size(); ++i) {
        if (i == 0 || machine.nodes[i].up) numbers.push_back(i);
        if (machine.nodes[i].up) with_cpus.push_back(i);
    }
    if (path == "online" || path == "possible") return list_of(numbers) + '\n';
    if (path == "has_cpu") return list_of(with_cpus) + '\n';
    if (path == "has_memory" || path == "has_normal_memory") return "0\n";
    const std::size_t slash = path.find('/');
    if (!path.starts_with("node") || slash == std::string_view::npos) return std::nullopt;
    const auto number = number_in(path.substr(4, slash - 4));
    if (!number || std::find(numbers.begin(), numbers.end(), *number) == numbers.end())
        return std::nullopt;
    const std::string_view name = path.substr(slash + 1);
    if (name == "cpulist") return list_of(cpus_of(machine, *number)) + '\n';
    if (name == "cpumap") return mask_of(cpus_of(machine, *number), total_of(machine)) + '\n';
    if (name == "distance") {
        std::vector<int> distances;
        for (const unsigned other : numbers)
            distances.push_back(other == *number ? here : elsewhere);
        return fmt::format("{}\n", fmt::join(distances, " "));
    }
    if (name == "meminfo") {
        // A process's memory has to fit its home.
        const std::uint64_t all = *number == 0 ? machine.memory : 0;
        const std::uint64_t free = *number == 0 ? machine.free : 0;
        return fmt::format(
            "Node {0} MemTotal: {1:>15} kB\nNode {0} MemFree: {2:>16} kB\nNode {0} MemUsed: "
            "{3:>16} kB\n",
            *number, all, free, all - free);
    }
    return std::nullopt;
}

}  // namespace

std::string list_of(const std::vector<unsigned>& cpus) {
    std::string text;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t last = i;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
        text += fmt::format("{}{}", text.empty() ? "" : ",", cpus[i]);
        if (last != i) text += fmt::format("-{}", cpus[last]);
        i = last + 1;
    }
    return text;
}

std::string mask_of(const std::vector<unsigned>& cpus, unsigned total) {
    std::vector<std::uint32_t> words((std::max(total, 1u) + 31) / 32);
    for (const unsigned cpu : cpus)
        if (cpu / 32 < words.size()) words[cpu / 32] |= 1u << cpu % 32;
    std::string text;
    for (auto word = words.rbegin(); word != words.rend(); ++word)
        text += fmt::format("{}{:08x}", text.empty() ? "" : ",", *word);
    return text;
}

std::optional<std::string> file(const Machine& machine, std::string_view path) {
    if (path == "proc/cpuinfo") return cpuinfo(machine);
    if (path == "proc/stat") return stat(machine);
    if (path == "proc/loadavg") return loadavg(machine);
    if (path.starts_with("cpu/")) return cpu_file(machine, path.substr(4));
    if (path.starts_with("node/")) return node_file(machine, path.substr(5));
    return std::nullopt;
}

std::optional<Names> folder(const Machine& machine, std::string_view path) {
    if (path.empty()) return Names{"proc", "cpu", "node"};
    if (path == "proc") return Names{"cpuinfo", "stat", "loadavg"};
    if (path == "cpu") {
        Names names{"online", "offline", "possible", "present", "kernel_max"};
        for (const unsigned cpu : online(machine)) names.push_back(fmt::format("cpu{}", cpu));
        return names;
    }
    if (path == "node") {
        Names names{"online", "possible", "has_cpu", "has_memory", "has_normal_memory"};
        for (std::size_t i = 0; i < machine.nodes.size(); ++i)
            if (i == 0 || machine.nodes[i].up) names.push_back(fmt::format("node{}", i));
        return names;
    }
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const std::string_view rest = path.substr(slash + 1);
    if (path.starts_with("node/") && node_file(machine, std::string(rest) + "/cpulist"))
        return Names{"cpulist", "cpumap", "distance", "meminfo"};
    if (!path.starts_with("cpu/") || !rest.starts_with("cpu")) return std::nullopt;
    const std::size_t end = rest.find('/');
    const auto cpu = number_in(rest.substr(3, end == std::string_view::npos ? end : end - 3));
    if (!cpu || !node_of(machine, *cpu)) return std::nullopt;
    if (end == std::string_view::npos) return Names{"online", "topology"};
    if (rest.substr(end + 1) != "topology") return std::nullopt;
    return Names{"physical_package_id",  "die_id",       "core_id",          "thread_siblings",
                 "thread_siblings_list", "core_cpus",    "core_cpus_list",   "core_siblings",
                 "core_siblings_list",   "package_cpus", "package_cpus_list"};
}

}  // namespace holon::ssi::view
