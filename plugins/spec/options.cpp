// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <algorithm>

#include "plugins/os/error.h"
#include "plugins/spec/rules.h"
#include "plugins/spec/spec.h"

namespace holon::spec {

// Slurm prints options from column 6 and their text from column 30: up to 50 columns of text stay
// on one line.
const std::vector<Option>& options() {
    static const std::string vms =
        fmt::format("a whole number of VMs from 1 to {}, or nothing for one per node", max_vms);
    static const std::string nodes =
        fmt::format("the most nodes it may have, from 1 to {}, or nothing", max_vms);
    static const std::string cpus = fmt::format("a whole number from 1 to {}", max_vm_cpus);
    static const std::vector<Option> table = {
        {"vm-cluster", "N", true, "[vm] run in VMs: one per node, or N in all", vms.c_str()},
        {"vm-smp", "MAXNODES", true, "[vm] run on one machine: the CPUs of its nodes",
         nodes.c_str()},
        {"vm-image", "NAME|PATH", false, "[vm] what the VMs boot: an image or a file",
         "an image name (letters, digits, '.', '_', '+', '-'), or a file: /path or ./path"},
        {"vm-cpus", "N", false, "[vm] CPUs of each VM (default: all it can get)", cpus.c_str()},
        {"vm-mem", "SIZE", false, "[vm] memory of each VM, K|M|G|T (default: all)",
         "a size of at least 64M: digits with K, M, G or T (M where none is given)"},
        {"vm-network", "KIND", false, "[vm] private (default) or none", "private or none"},
        {"vm-boot-timeout", "TIME", false, "[vm] the job fails if its VMs take longer",
         "a time from 1 second to 7 days: minutes, minutes:seconds, hours:minutes:seconds or "
         "days-hours"},
        {"vm-checkpoint", "TIME", true, "[vm] the job can be gone on with; saved each TIME",
         "the time from one checkpoint to the next, from 1 minute to 365 days: minutes, "
         "hours:minutes:seconds or days-hours; or nothing"},
        {"vm-checkpoint-before", "TIME", false, "[vm] saved so long before the time limit",
         "the time from the checkpoint to the job's time limit, from 1 minute to 18 hours: "
         "minutes, "
         "hours:minutes:seconds or days-hours"},
        {"vm-checkpoint-dir", "DIR", false, "[vm] the folder of its checkpoints",
         "a folder that all nodes share: /path or ./path"},
        {"vm-restart", "JOBID|DIR", false, "[vm] go on from the checkpoint of a job",
         "the id of a job that was checkpointed, or the folder of its checkpoints or of one of "
         "them: /path or ./path"},
        {"no-vm", nullptr, false, "[vm] run on the host (sbatch: the script only)", "no value"},
    };
    return table;
}

namespace rules {

const Option* find_option(std::string_view name) {
    const auto& all = options();
    auto found =
        std::find_if(all.begin(), all.end(), [&](const Option& o) { return name == o.name; });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace rules

namespace {

// What a person typed, made fit for one line of a terminal.
std::string shown(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 80)) {
        auto u = static_cast<unsigned char>(c);
        out += u < 0x20 || u >= 0x7f ? '?' : c;
    }
    if (text.size() > 80) out += "...";
    return out;
}

// Absolute, or relative with a leading dot.
bool is_path(std::string_view text) {
    if (text.starts_with("./")) return text.size() > 2 && rules::is_clean_path(text.substr(1));
    if (text.starts_with("../")) return rules::is_clean_path("/" + std::string(text));
    return text.size() > 1 && rules::is_clean_path(text);
}

bool accepted(std::string_view name, std::string_view text) {
    using namespace rules;
    if (name == "vm-cluster" || name == "vm-smp")
        return text.empty() || whole_number(text, 1, max_vms);
    if (name == "vm-cpus") return whole_number(text, 1, max_vm_cpus).has_value();
    if (name == "vm-network") return network(text).has_value();
    if (name == "no-vm") return text.empty();
    if (name == "vm-mem") {
        auto mb = parse_memory_mb(text);
        return mb >= least_memory_mb && mb <= most_memory_mb;
    }
    if (name == "vm-boot-timeout") {
        auto seconds = parse_time_s(text);
        return seconds >= 1 && seconds <= longest_boot_s;
    }
    if (name == "vm-checkpoint") {
        if (text.empty()) return true;
        auto seconds = parse_time_s(text);
        return seconds >= shortest_interval_s && seconds <= longest_interval_s;
    }
    if (name == "vm-checkpoint-before") {
        auto seconds = parse_time_s(text);
        return seconds >= shortest_interval_s && seconds <= longest_before_s;
    }
    if (name == "vm-image") return is_path(text) || is_image_name(text);
    if (name == "vm-checkpoint-dir") return is_path(text);
    if (name == "vm-restart") return is_path(text) || whole_number(text, 1, most_job_id);
    return false;
}

}  // namespace

bool wants_vms(const Given& given) {
    return given.contains("vm-restart") ||
           std::any_of(std::begin(rules::modes), std::end(rules::modes),
                       [&](const auto& m) { return given.contains(std::string(m.option)); });
}

std::optional<std::string> check_option(std::string_view name, std::string_view text) {
    const Option* option = rules::find_option(name);
    if (option == nullptr) {
        std::string known;
        for (const auto& o : options()) known += fmt::format(" --{}", o.name);
        return fmt::format("--{}: not known here; Holon's options are{}", shown(name), known);
    }
    bool good = false;
    try {
        good = accepted(name, text);
    } catch (const Error&) {
        // the grammar's own words would only repeat what is accepted
    }
    if (good) return std::nullopt;
    return fmt::format("--{}{}{}: not accepted; give {}", name, text.empty() ? "" : "=",
                       shown(text), option->accepted);
}

}  // namespace holon::spec
