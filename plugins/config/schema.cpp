// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/config/schema.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <type_traits>

#include "plugins/os/error.h"

namespace holon::config {
namespace {

// How a type of value is read from one scalar and written back. FIELD is a function from Config& to
// the target.
template <typename Field>
using Target = std::remove_reference_t<std::invoke_result_t<Field, Config&>>;

template <typename Field, typename Read, typename Write>
Key scalar(const char* name, std::string accepted, Field field, Read read, Write write) {
    const auto set = [field, read](Config& config, const YAML::Node& node) {
        if (!node.IsScalar()) throw Error("a single value is wanted here");
        field(config) = read(node.Scalar());
    };
    const auto get = [field, write](const Config& config) {
        // FIELD only picks a member; it is written once, for the mutable case.
        return write(field(const_cast<Config&>(config)));
    };
    return {name, std::move(accepted), set, get};
}

[[noreturn]] void not_accepted(std::string_view text) {
    throw Error("'{}' is not accepted", text.substr(0, 100));
}

template <typename Field>
Key whole(const char* name, std::uint64_t low, std::uint64_t high, Field field) {
    const auto read = [low, high](const std::string& text) {
        std::uint64_t value = 0;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (error != std::errc{} || stop != end || value < low || value > high) not_accepted(text);
        return static_cast<Target<Field>>(value);
    };
    return scalar(name, fmt::format("a whole number from {} to {}", low, high), field, read,
                  [](const auto& value) { return std::to_string(value); });
}

enum class Zero { refused, unlimited };

template <typename Field>
Key memory(const char* name, std::uint64_t low_mb, std::uint64_t high_mb, Zero zero, Field field) {
    const auto read = [=](const std::string& text) -> std::uint64_t {
        if (zero == Zero::unlimited && text == "unlimited") return 0;
        const std::uint64_t value = spec::parse_memory_mb(text);
        if (value < low_mb || value > high_mb) not_accepted(text);
        return value;
    };
    const auto write = [zero](std::uint64_t value) {
        return zero == Zero::unlimited && value == 0 ? "unlimited" : fmt::format("{}M", value);
    };
    return scalar(name,
                  fmt::format("a size from {}M to {}M{}", low_mb, high_mb,
                              zero == Zero::unlimited ? ", or unlimited" : ""),
                  field, read, write);
}

template <typename Field>
Key time(const char* name, std::uint32_t low_s, std::uint32_t high_s, Field field) {
    const auto read = [=](const std::string& text) {
        const std::uint32_t value = spec::parse_time_s(text);
        if (value < low_s || value > high_s) not_accepted(text);
        return value;
    };
    const auto write = [](std::uint32_t value) {
        return fmt::format("{}:{:02}:{:02}", value / 3600, value / 60 % 60, value % 60);
    };
    return scalar(name,
                  fmt::format("a time from {} s to {} s, as in --time (minutes, minutes:seconds, "
                              "hours:minutes:seconds)",
                              low_s, high_s),
                  field, read, write);
}

template <typename Field>
Key word(const char* name, const char* accepted, std::function<bool(const std::string&)> good,
         Field field) {
    const auto read = [good](const std::string& text) {
        if (!good(text)) not_accepted(text);
        return Target<Field>(text);
    };
    return scalar(name, accepted, field, read,
                  [](const auto& value) { return fmt::format("\"{}\"", std::string(value)); });
}

template <typename Field>
Key boolean(const char* name, Field field) {
    const auto read = [](const std::string& text) {
        if (text != "true" && text != "false") not_accepted(text);
        return text == "true";
    };
    return scalar(name, "true or false", field, read,
                  [](bool value) { return value ? "true" : "false"; });
}

bool is_absolute(const std::string& text) {
    return text.starts_with('/') && text.find('\0') == std::string::npos;
}

bool is_image_name(const std::string& text) {
    return !text.empty() && text.size() <= 64 &&
           std::isalnum(static_cast<unsigned char>(text[0])) != 0 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == '+';
           });
}

template <typename Field>
Key absolute_paths(const char* name, Field field) {
    const auto set = [field](Config& config, const YAML::Node& node) {
        std::vector<std::filesystem::path> paths;
        const auto add = [&](const YAML::Node& item) {
            if (!item.IsScalar() || !is_absolute(item.Scalar()))
                not_accepted(item.IsScalar() ? item.Scalar() : "a list in a list");
            paths.emplace_back(item.Scalar());
        };
        if (node.IsSequence())
            for (const auto& item : node) add(item);
        else
            add(node);
        if (paths.empty()) throw Error("the list is empty");
        field(config) = std::move(paths);
    };
    const auto get = [field](const Config& config) {
        std::string text;
        for (const auto& path : field(const_cast<Config&>(config)))
            text += (text.empty() ? "[" : ", ") + path.string();
        return text + "]";
    };
    return {name, "a list of absolute paths", set, get};
}

// A list of short texts, each of which GOOD likes; may be empty.
template <typename Field>
Key texts(const char* name, const char* accepted, std::function<bool(const std::string&)> good,
          Field field) {
    const auto set = [field, good](Config& config, const YAML::Node& node) {
        if (!node.IsSequence()) throw Error("a list is wanted here");
        std::vector<std::string> values;
        for (const auto& item : node) {
            if (!item.IsScalar()) not_accepted("a list in a list");
            if (!good(item.Scalar())) not_accepted(item.Scalar());
            values.push_back(item.Scalar());
        }
        field(config) = std::move(values);
    };
    const auto get = [field](const Config& config) {
        std::string text = "[";
        for (const auto& value : field(const_cast<Config&>(config)))
            text += (text.size() == 1 ? "\"" : ", \"") + value + "\"";
        return text + "]";
    };
    return {name, accepted, set, get};
}

bool is_host_name(const std::string& text) {
    return !text.empty() && text.size() <= 255 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || c == ':';
           });
}

// "rack1=n[1-16]"
bool is_domain(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || !is_image_name(text.substr(0, equals))) return false;
    return !plan::expand_hostlist(text.substr(equals + 1)).empty();  // or it throws the reason
}

Key memory_overhead(const char* name) {
    const auto read = [](const std::string& text) {
        if (text != "subtract" && text != "add") not_accepted(text);
        return text == "add";
    };
    const auto write = [](bool add) { return add ? "add" : "subtract"; };
    return scalar(
        name, "subtract or add", [](Config & c) -> auto& { return c.vm.add_memory_reserve; }, read,
        write);
}

// limits.rules: a list of maps, each with whom it is for and what holds for them.
Key limit_rules(const char* name) {
    using Rule = spec::Limits::Rule;
    const auto read_one = [](Rule& rule, const std::string& key, const std::string& text) {
        const auto number = [&](std::uint64_t most) {
            std::uint64_t value = 0;
            const char* const end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, value);
            if (error != std::errc{} || stop != end || value == 0 || value > most)
                throw Error("{}: a whole number from 1 to {} is wanted", key, most);
            return static_cast<std::uint32_t>(value);
        };
        const auto yes = [&] {
            if (text != "true" && text != "false") throw Error("{}: neither true nor false", key);
            return text == "true";
        };
        const auto word_of = [&] {
            if (text.empty() || text.size() > 255) throw Error("{}: a name is wanted", key);
            return text;
        };
        if (key == "partition")
            rule.partition = word_of();
        else if (key == "user")
            rule.user = word_of();
        else if (key == "image")
            rule.image = word_of();
        else if (key == "allow")
            rule.allow = yes();
        else if (key == "allow_smp")
            rule.allow_smp = yes();
        else if (key == "allow_user_files")
            rule.allow_user_files = yes();
        else if (key == "max_vms")
            rule.max_vms = number(spec::max_vms);
        else if (key == "max_vm_cpus")
            rule.max_vm_cpus = number(spec::max_vm_cpus);
        else if (key == "max_vm_memory")
            rule.max_vm_memory_mb = text == "unlimited" ? 0 : spec::parse_memory_mb(text);
        else if (key == "max_boot_timeout")
            rule.max_boot_timeout_s = spec::parse_time_s(text);
        else
            throw Error("'{}' is no key of a rule", key.substr(0, 100));
    };
    const auto set = [read_one](Config& config, const YAML::Node& node) {
        if (!node.IsSequence()) throw Error("a list is wanted here");
        std::vector<Rule> rules;
        for (const auto& item : node) {
            if (!item.IsMap()) throw Error("each rule is a list of keys");
            Rule rule;
            for (const auto& entry : item) {
                if (!entry.first.IsScalar() || !entry.second.IsScalar())
                    throw Error("each key of a rule has a single value");
                read_one(rule, entry.first.Scalar(), entry.second.Scalar());
            }
            if (rule.partition.empty() && rule.user.empty() && rule.image.empty())
                throw Error("a rule without partition, user or image is for nobody");
            rules.push_back(std::move(rule));
        }
        config.limits.rules = std::move(rules);
    };
    const auto get = [](const Config& config) {
        std::string text = "[";
        for (const Rule& rule : config.limits.rules) {
            std::string one;
            const auto add = [&](const char* key, const std::string& value) {
                one += fmt::format("{}{}: {}", one.empty() ? "" : ", ", key, value);
            };
            const auto quoted = [&](const char* key, const std::string& value) {
                if (!value.empty()) add(key, "\"" + value + "\"");
            };
            const auto yes = [&](const char* key, const std::optional<bool>& value) {
                if (value) add(key, *value ? "true" : "false");
            };
            quoted("partition", rule.partition);
            quoted("user", rule.user);
            quoted("image", rule.image);
            if (!rule.allow) add("allow", "false");
            yes("allow_smp", rule.allow_smp);
            yes("allow_user_files", rule.allow_user_files);
            if (rule.max_vms) add("max_vms", std::to_string(*rule.max_vms));
            if (rule.max_vm_cpus) add("max_vm_cpus", std::to_string(*rule.max_vm_cpus));
            if (rule.max_vm_memory_mb)
                add("max_vm_memory", *rule.max_vm_memory_mb == 0
                                         ? "unlimited"
                                         : fmt::format("{}M", *rule.max_vm_memory_mb));
            if (rule.max_boot_timeout_s)
                add("max_boot_timeout",
                    fmt::format("{}:{:02}:{:02}", *rule.max_boot_timeout_s / 3600,
                                *rule.max_boot_timeout_s / 60 % 60, *rule.max_boot_timeout_s % 60));
            text += (text.size() == 1 ? "{" : ", {") + one + "}";
        }
        return text + "]";
    };
    return {name,
            "a list of rules such as {partition: debug, max_vms: 4}; keys: partition, user, image, "
            "allow, allow_smp, allow_user_files, max_vms, max_vm_cpus, max_vm_memory, "
            "max_boot_timeout",
            set, get};
}

Key accelerator(const char* name) {
    const auto read = [](const std::string& text) {
        if (text == "auto") return Accelerator::automatic;
        if (text == "kvm") return Accelerator::kvm;
        if (text != "tcg") not_accepted(text);
        return Accelerator::tcg;
    };
    const auto write = [](Accelerator value) {
        return value == Accelerator::automatic ? "auto" : value == Accelerator::kvm ? "kvm" : "tcg";
    };
    return scalar(
        name, "auto, kvm or tcg", [](Config & c) -> auto& { return c.vm.accelerator; }, read,
        write);
}

bool is_cpu_model(const std::string& text) {
    return text.size() <= 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
           });
}

// "~/.holon/checkpoints", "/scratch/%u/holon"
bool is_folder_of_user(const std::string& text) {
    return text.size() <= 4096 && text.find('\0') == std::string::npos &&
           (text.starts_with('/') || text.starts_with("~/"));
}

std::function<bool(const std::string&)> one_of(std::vector<std::string> words) {
    return [words = std::move(words)](const std::string& text) {
        return std::find(words.begin(), words.end(), text) != words.end();
    };
}

bool is_subnet(const std::string& text) {
    plan::parse_subnet(text);  // throws the reason
    return true;
}

bool is_uri(const std::string& text) {
    return text.find(":///") != std::string::npos;  // a local one: holond shares paths with it
}

constexpr std::uint64_t max_memory_mb = 64ULL << 20;  // 64 TiB
constexpr std::uint32_t a_day = 86400;

// Which member of Config a key stands for.
#define HOLON_FIELD(member) \
    [](Config & c) -> auto& { return c.member; }

std::vector<Key> make_schema() {
    return {
        // clang-format off
        word("state_dir", "an absolute path", is_absolute, HOLON_FIELD(state_dir)),
        whole("rpc.port", 1, 65535, HOLON_FIELD(rpc.port)),
        absolute_paths("images.path", HOLON_FIELD(images.path)),
        word("images.default_image", "the name of an image", is_image_name, HOLON_FIELD(images.default_image)),
        word("images.user_file_kernel", "the name of an image", is_image_name, HOLON_FIELD(images.user_file_kernel)),
        boolean("images.allow_user_files", HOLON_FIELD(images.allow_user_files)),
        accelerator("vm.accelerator"),
        word("vm.cpu_model", "a CPU model of libvirt, or \"\"", is_cpu_model, HOLON_FIELD(vm.cpu_model)),
        memory("vm.memory_reserve", 1, max_memory_mb, Zero::refused, HOLON_FIELD(vm.memory_reserve_mb)),
        memory_overhead("vm.memory_overhead"),
        memory("vm.default_memory", 64, max_memory_mb, Zero::refused, HOLON_FIELD(vm.default_memory_mb)),
        memory("vm.tcg_cache", 16, 65536, Zero::refused, HOLON_FIELD(vm.tcg_cache_mb)),
        time("vm.boot_timeout", 1, a_day, HOLON_FIELD(vm.boot_timeout_s)),
        word("vm.libvirt_uri", "a libvirt URI such as qemu:///system", is_uri, HOLON_FIELD(vm.libvirt_uri)),
        word("network.subnet", "an IPv4 network such as 10.77.0.0/16", is_subnet, HOLON_FIELD(network.subnet)),
        whole("network.vxlan_port", 1, 65532, HOLON_FIELD(network.vxlan_port)),
        whole("network.mtu", 576, 65485, HOLON_FIELD(network.mtu)),
        boolean("smp.encrypt", HOLON_FIELD(smp.encrypt)),
        whole("limits.max_vms", 1, spec::max_vms, HOLON_FIELD(limits.max_vms)),
        whole("limits.max_vm_cpus", 1, spec::max_vm_cpus, HOLON_FIELD(limits.max_vm_cpus)),
        memory("limits.max_vm_memory", 64, max_memory_mb, Zero::unlimited, HOLON_FIELD(limits.max_vm_memory_mb)),
        time("limits.max_boot_timeout", 1, a_day, HOLON_FIELD(limits.max_boot_timeout_s)),
        boolean("limits.allow_smp", HOLON_FIELD(limits.allow_smp)),
        whole("limits.max_smp_nodes", 1, spec::max_smp_nodes, HOLON_FIELD(limits.max_smp_nodes)),
        limit_rules("limits.rules"),
        word("checkpoints.dir", "an absolute path, or one below \"~\"", is_folder_of_user, HOLON_FIELD(checkpoints.dir)),
        whole("checkpoints.keep", 1, 1000, HOLON_FIELD(checkpoints.keep)),
        memory("checkpoints.min_free", 1, max_memory_mb, Zero::refused, HOLON_FIELD(checkpoints.min_free_mb)),
        word("checkpoints.compress", "auto, zstd or none", one_of({"auto", "zstd", "none"}), HOLON_FIELD(checkpoints.compress)),
        whole("placement.cluster_node", 0, placement::most_weight, HOLON_FIELD(placement.cluster.node)),
        whole("placement.cluster_domain", 0, placement::most_weight, HOLON_FIELD(placement.cluster.domain)),
        whole("placement.cluster_whole", 0, placement::most_weight, HOLON_FIELD(placement.cluster.whole)),
        whole("placement.cluster_uncached", 0, placement::most_weight, HOLON_FIELD(placement.cluster.uncached)),
        whole("placement.cluster_emulated", 0, placement::most_weight, HOLON_FIELD(placement.cluster.emulated)),
        whole("placement.cluster_unknown", 0, placement::most_weight, HOLON_FIELD(placement.cluster.unknown)),
        whole("placement.smp_node", 0, placement::most_weight, HOLON_FIELD(placement.smp.node)),
        whole("placement.smp_domain", 0, placement::most_weight, HOLON_FIELD(placement.smp.domain)),
        whole("placement.smp_whole", 0, placement::most_weight, HOLON_FIELD(placement.smp.whole)),
        whole("placement.smp_uncached", 0, placement::most_weight, HOLON_FIELD(placement.smp.uncached)),
        whole("placement.smp_emulated", 0, placement::most_weight, HOLON_FIELD(placement.smp.emulated)),
        whole("placement.smp_unknown", 0, placement::most_weight, HOLON_FIELD(placement.smp.unknown)),
        whole("placement.candidates", 1, 16, HOLON_FIELD(placement.candidates)),
        texts("placement.domains", "a list such as [\"rack1=n[1-16]\"]", is_domain, HOLON_FIELD(placement.domains)),
        texts("controller.hosts", "a list of host names", is_host_name, HOLON_FIELD(controller.hosts)),
        word("controller.state_dir", "an absolute path", is_absolute, HOLON_FIELD(controller.state_dir)),
        whole("controller.port", 1, 65535, HOLON_FIELD(controller.port)),
        whole("controller.heartbeat", 1, 3600, HOLON_FIELD(controller.heartbeat_s)),
        // clang-format on
    };
}
#undef HOLON_FIELD

}  // namespace

const std::vector<Key>& schema() {
    static const std::vector<Key> keys = make_schema();
    return keys;
}

}  // namespace holon::config
