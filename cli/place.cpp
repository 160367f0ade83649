// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/place.h"

#include <algorithm>
#include <charconv>
#include <iostream>

#include "cli/command.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/plan/plan.h"
#include "plugins/spec/spec.h"

namespace holon::cli {
namespace {

using nlohmann::json;

std::uint32_t whole(std::string_view option, std::string_view text) {
    std::uint32_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || stop != text.data() + text.size() || value == 0)
        throw Error("{} {}: a whole number from 1 on is wanted", option, text.substr(0, 40));
    return value;
}

// "4", "2-8"
void node_range(placement::Request& request, std::string_view text) {
    const std::size_t dash = text.find('-');
    request.min_nodes = whole("--nodes", text.substr(0, dash));
    request.max_nodes = dash == std::string_view::npos ? request.min_nodes
                                                       : whole("--nodes", text.substr(dash + 1));
}

// "2:4096x3,8:16G": CPUs, memory, how many of it
std::vector<placement::Shape> shapes(std::string_view text) {
    std::vector<placement::Shape> result;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        std::string_view one = text.substr(at, end - at);
        at = end + 1;
        std::uint32_t count = 1;
        if (const std::size_t times = one.find('x'); times != std::string_view::npos) {
            count = whole("--vm-shapes", one.substr(times + 1));
            one = one.substr(0, times);
        }
        const std::size_t colon = one.find(':');
        if (colon == std::string_view::npos || count > spec::max_vms)
            throw Error("--vm-shapes={}: CPUs:MEMORY[xCOUNT],… is wanted", text.substr(0, 80));
        const placement::Shape shape{whole("--vm-shapes", one.substr(0, colon)),
                                     spec::parse_memory_mb(one.substr(colon + 1))};
        result.insert(result.end(), count, shape);
    }
    return result;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find_first_of(" \t\n", at), text.size());
        if (end > at) words.emplace_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

// Options that take a value, in their long form.
std::string long_name(const std::string& option) {
    static const std::pair<const char*, const char*> shorts[] = {
        {"-n", "--ntasks"},   {"-N", "--nodes"},   {"-c", "--cpus-per-task"},
        {"-w", "--nodelist"}, {"-x", "--exclude"},
    };
    for (const auto& [brief, full] : shorts)
        if (option == brief) return full;
    return option;
}

struct Numbers {
    std::uint32_t tasks = 0, per_task = 1, per_node = 0, vms = 0, vm_cpus = 0;
};

void set(Place& place, Numbers& numbers, const std::string& option, const std::string& value) {
    auto& request = place.request;
    if (option == "--ntasks")
        numbers.tasks = whole(option, value);
    else if (option == "--nodes")
        node_range(request, value);
    else if (option == "--cpus-per-task")
        numbers.per_task = whole(option, value);
    else if (option == "--ntasks-per-node")
        numbers.per_node = whole(option, value);
    else if (option == "--mem")
        request.node_memory_mb = spec::parse_memory_mb(value);
    else if (option == "--mem-per-cpu")
        request.cpu_memory_mb = spec::parse_memory_mb(value);
    else if (option == "--nodelist")
        place.required = plan::expand_hostlist(value);
    else if (option == "--exclude")
        place.excluded = plan::expand_hostlist(value);
    else if (option == "--vm-image")
        place.image = value;
    else if (option == "--vm-cpus")
        numbers.vm_cpus = whole(option, value);
    else if (option == "--vm-shapes") {
        request.mode = placement::Mode::restart;
        request.shapes = shapes(value);
    } else {
        throw Error("'{}' is not understood here; see holon help place", option.substr(0, 80));
    }
}

}  // namespace

Place parse_request(std::string_view text) {
    Place place;
    Numbers numbers;
    bool mode = false;
    const auto words = words_of(text);
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string option = words[i], value;
        bool has_value = false;
        if (const std::size_t equals = option.find('='); equals != std::string::npos) {
            value = option.substr(equals + 1);
            option.resize(equals);
            has_value = true;
        } else if (option.size() > 2 && option[0] == '-' && option[1] != '-') {  // -n24
            value = option.substr(2);
            option.resize(2);
            has_value = true;
        }
        option = long_name(option);
        if (option == "--vm-smp" || option == "--vm-cluster") {
            mode = true;
            place.smp = option == "--vm-smp";
            if (place.request.mode != placement::Mode::restart)
                place.request.mode = place.smp ? placement::Mode::smp : placement::Mode::cluster;
            if (!has_value) continue;
            (place.smp ? place.request.max_nodes : numbers.vms) = whole(option, value);
        } else if (option == "--exclusive") {
            place.request.whole_nodes = true;
        } else if (option == "--kvm") {
            place.request.kvm = true;
        } else {
            if (!has_value) {
                if (++i == words.size()) throw Error("{}: a value is wanted", option);
                value = words[i];
            }
            set(place, numbers, option, value);
        }
    }
    if (!mode && place.request.mode != placement::Mode::restart)
        throw Error("the request names no kind of VMs; give --vm-smp or --vm-cluster");
    auto& request = place.request;
    request.granule = std::max(numbers.per_task, numbers.vm_cpus);
    request.max_cpus_per_node = numbers.per_node * numbers.per_task;
    request.min_cpus_per_node = std::max(request.granule, request.max_cpus_per_node);
    const std::uint32_t tasks = numbers.tasks != 0 ? numbers.tasks : request.min_nodes;
    request.cpus =
        std::max({tasks * numbers.per_task, request.min_nodes * request.min_cpus_per_node,
                  numbers.vms * std::max(numbers.vm_cpus, 1u)});
    if (numbers.vms != 0 && (request.max_nodes == 0 || request.max_nodes > numbers.vms))
        request.max_nodes = numbers.vms;
    return place;
}

namespace {

std::uint64_t memory(const json& node, const char* key, std::uint64_t missing) {
    const auto found = node.find(key);
    if (found == node.end()) return missing;
    if (found->is_number_unsigned()) return found->get<std::uint64_t>();
    return spec::parse_memory_mb(found->get<std::string>());
}

bool lists(const json& node, const char* key, const std::string& name) {
    const auto found = node.find(key);
    return found != node.end() &&
           std::find(found->begin(), found->end(), json(name)) != found->end();
}

placement::Node node_of(const json& entry, const Place& place) {
    static const char* const known[] = {"name",        "cpus",   "free_cpus", "memory",
                                        "free_memory", "domain", "cached",    "present",
                                        "kvm",         "health", "huge"};
    for (const auto& item : entry.items())
        if (std::find(std::begin(known), std::end(known), item.key()) == std::end(known))
            throw Error("'{}' is no key of a node", item.key().substr(0, 40));
    placement::Node node;
    node.cpus = entry.at("cpus").get<std::uint32_t>();
    node.free_cpus = std::min(entry.value("free_cpus", node.cpus), node.cpus);
    node.memory_mb = memory(entry, "memory", placement::unlimited_mb);
    node.free_memory_mb = memory(entry, "free_memory", node.memory_mb);
    node.free_huge_mb = memory(entry, "huge", 0);
    node.kvm = entry.value("kvm", true);
    const std::string health = entry.value("health", std::string("good"));
    if (health != "good" && health != "broken" && health != "unknown")
        throw Error("health '{}': good, broken or unknown is wanted", health.substr(0, 40));
    node.health = health == "good"     ? placement::Health::good
                  : health == "broken" ? placement::Health::broken
                                       : placement::Health::unknown;
    if (!place.image.empty() && !place.image.starts_with('/'))
        node.image = lists(entry, "cached", place.image)    ? placement::ImageState::cached
                     : lists(entry, "present", place.image) ? placement::ImageState::present
                                                            : placement::ImageState::absent;
    return node;
}

}  // namespace

PlaceNodes read_nodes(const json& file, const Place& place) {
    if (!file.is_array()) throw Error("a list of nodes is wanted");
    PlaceNodes result;
    result.domains = {""};
    for (const json& entry : file) {
        std::string name;
        try {
            name = entry.at("name").get<std::string>();
            placement::Node node = node_of(entry, place);
            const std::string domain = entry.value("domain", std::string());
            auto at = std::find(result.domains.begin(), result.domains.end(), domain);
            if (at == result.domains.end()) at = result.domains.insert(at, domain);
            node.domain = static_cast<std::uint32_t>(at - result.domains.begin());
            for (const std::string& one : plan::expand_hostlist(name)) {
                const auto named = [&](const std::vector<std::string>& list) {
                    return std::find(list.begin(), list.end(), one) != list.end();
                };
                node.required = named(place.required);
                node.available = !named(place.excluded);
                result.names.push_back(one);
                result.nodes.push_back(node);
            }
        } catch (const std::exception& error) {
            throw Error("node '{}': {}", name.substr(0, 100), error.what());
        }
    }
    for (const std::string& wanted : place.required)
        if (std::find(result.names.begin(), result.names.end(), wanted) == result.names.end())
            throw Error("--nodelist: {} is not in the file", wanted);
    return result;
}

namespace {

std::string name_at(const void* context, std::uint32_t node) {
    return static_cast<const PlaceNodes*>(context)->names[node];
}

json to_json(const placement::Candidate& set, const PlaceNodes& nodes) {
    json list = json::array();
    for (std::size_t i = 0; i < set.nodes.size(); ++i)
        list.push_back({{"name", nodes.names[set.nodes[i]]}, {"cpus", set.cpus[i]}});
    json result = {
        {"nodes", list},          {"cost", set.cost},          {"domains", set.domains},
        {"whole", set.whole},     {"uncached", set.uncached},  {"emulated", set.emulated},
        {"unknown", set.unknown}, {"left_over", set.left_over}};
    for (const std::uint32_t node : set.vm_node) result["vms"].push_back(nodes.names[node]);
    return result;
}

void print(const placement::Answer& answer, const Place& place, const PlaceNodes& nodes) {
    if (!answer.any()) {
        std::cout << "no set: " << placement::explain_none(answer, place.request) << '\n';
        return;
    }
    for (std::size_t i = 0; i < answer.count; ++i) {
        const auto& set = answer.candidates[i];
        std::vector<std::string> names;
        for (const std::uint32_t node : set.nodes) names.push_back(nodes.names[node]);
        fmt::print("{} {}  cost {}\n  {}\n", i + 1, plan::compress_hostlist(names), set.cost,
                   placement::explain(set, place.request, name_at, &nodes));
    }
}

}  // namespace

int place(const Arguments& arguments) {
    namespace po = boost::program_options;
    std::string file, text, config_file;
    bool as_json = false;
    std::size_t most = 0;
    CommandLine line("place --nodes FILE --request 'OPTIONS'",
                     "Shows which nodes a VM job would get, and why, without a cluster: the same "
                     "code decides in slurmctld.\n\n"
                     "FILE is a JSON list of nodes, '-' for standard input:\n"
                     "  [{\"name\": \"n[1-4]\", \"cpus\": 64, \"free_cpus\": 10, \"memory\": "
                     "\"256G\", \"domain\": \"rack1\",\n    \"cached\": [\"tiny\"], \"present\": "
                     "[\"debian\"], \"kvm\": true, \"health\": \"good\"}]\n"
                     "OPTIONS are sbatch's: --vm-smp[=MAXNODES], --vm-cluster[=N], -n, -N, -c, "
                     "--ntasks-per-node, --mem,\n--mem-per-cpu, --exclusive, -w, -x, --vm-image, "
                     "--vm-cpus; and --kvm, and --vm-shapes=CPUS:MEM[xN],…\nfor the VMs of a "
                     "checkpoint.");
    line.options().add_options()("nodes", po::value(&file)->value_name("FILE"), "the nodes")(
        "request", po::value(&text)->value_name("OPTIONS"), "what the job asks for")(
        "config", po::value(&config_file)->value_name("FILE"), "holon.yaml with the weights")(
        "candidates", po::value(&most)->value_name("N"), "how many sets to show")(
        "json", po::bool_switch(&as_json), "for programs");
    if (const auto ended = line.parse(arguments)) return *ended;
    if (file.empty() || text.empty()) throw Error("--nodes and --request are wanted");
    const config::Config config =
        config_file.empty() ? config::load_default() : config::load(config_file);
    const Place place = parse_request(text);
    const auto content =
        json::parse(os::read_file(file == "-" ? "/dev/stdin" : file), nullptr, false);
    if (content.is_discarded()) throw Error("{}: not JSON", file);
    PlaceNodes nodes;
    try {
        nodes = read_nodes(content, place);
    } catch (const Error& error) {
        throw Error("{}: {}", file, error.what());
    }
    placement::Placer placer;
    placement::Answer answer;
    placement::Request request = place.request;
    request.kvm = request.kvm || config.vm.accelerator == config::Accelerator::kvm;
    placer.place(nodes.nodes, request, place.smp ? config.placement.smp : config.placement.cluster,
                 answer, most != 0 ? std::min<std::size_t>(most, 16) : config.placement.candidates);
    if (as_json) {
        json sets = json::array();
        for (const auto& set : answer.sets()) sets.push_back(to_json(set, nodes));
        json result = {{"sets", sets}, {"eligible", answer.eligible}};
        if (!answer.any()) result["reason"] = placement::explain_none(answer, request);
        std::cout << result.dump(2) << '\n';
    } else {
        print(answer, place, nodes);
    }
    return answer.any() ? exit_good : exit_failed;
}

}  // namespace holon::cli
