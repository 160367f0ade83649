// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/controller/slurm_nodes.h"

#include <cstdlib>

#include "plugins/controller/registry.h"
#include "plugins/os/process.h"
#include "plugins/os/slurm.h"

namespace holon::controller {
namespace {

constexpr std::size_t name_width = 256, address_width = 256, comment_width = 512;

std::string trimmed(std::string_view text) {
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    return text == "(null)" ? "" : std::string(text);
}

os::RunOptions options() {
    os::RunOptions options;
    options.env = os::slurm_environment();
    options.timeout = std::chrono::seconds(20);  // they hang where slurmctld is away
    return options;
}

// The value of KEY in lines of "KEY   = VALUE".
std::string value_of(std::string_view text, std::string_view key) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        const std::size_t equals = line.find('=');
        if (equals != line.npos && trimmed(line.substr(0, equals)) == key)
            return trimmed(line.substr(equals + 1));
    }
    return "";
}

}  // namespace

site::SlurmReport parse_slurm(std::string_view config, std::string_view partitions) {
    site::SlurmReport report;
    // Slurm 22.05 has it among the controller's parameters, newer ones among preemption's.
    report.user_signal =
        value_of(config, "PreemptParameters").find("send_user_signal") != std::string::npos ||
        value_of(config, "SlurmctldParameters").find("preempt_send_user_signal") !=
            std::string::npos;
    report.append_by_default = value_of(config, "JobFileAppend") == "1";
    const std::string type = value_of(config, "PreemptType");
    const bool ever = !type.empty() && type != "preempt/none" && type != "none";
    for (std::size_t at = 0; at < partitions.size();) {
        const std::size_t end = std::min(partitions.find('\n', at), partitions.size());
        const std::string_view line = partitions.substr(at, end - at);
        at = end + 1;
        site::PartitionReport one;
        one.name = os::word_of(line, "PartitionName");
        if (one.name.empty() || report.partitions.size() >= site::most_partitions) continue;
        one.grace_s = static_cast<std::uint32_t>(
            std::strtoul(os::word_of(line, "GraceTime").c_str(), nullptr, 10));
        const std::string mode = os::word_of(line, "PreemptMode");
        one.preempted = ever && !mode.empty() && mode != "OFF";
        report.partitions.push_back(std::move(one));
    }
    return report;
}

site::SlurmReport slurm_report() {
    return parse_slurm(os::run_checked({"scontrol", "show", "config"}, options()),
                       os::run_checked({"scontrol", "-o", "show", "partition"}, options()));
}

SlurmNodes parse_nodes(std::string_view text) {
    SlurmNodes nodes;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        if (line.size() < name_width) continue;
        SlurmNode node;
        node.address = trimmed(line.substr(name_width, address_width));
        if (line.size() > name_width + address_width)
            node.comment = trimmed(line.substr(name_width + address_width, comment_width));
        nodes.insert_or_assign(trimmed(line.substr(0, name_width)), std::move(node));
    }
    return nodes;
}

SlurmNodes slurm_nodes() {
    return parse_nodes(os::run_checked(
        {"sinfo", "-h", "-a", "-N", "-O", "NodeList:256,NodeAddr:256,Comment:512"}, options()));
}

void set_comment(const std::string& node, const std::string& comment) {
    os::run_checked({"scontrol", "update", "NodeName=" + node, "Comment=" + comment}, options());
}

std::map<std::string, std::string> comments_to_set(
    const SlurmNodes& nodes, const std::map<std::string, std::string>& wanted) {
    std::map<std::string, std::string> set;
    for (const auto& [name, comment] : wanted) {
        const auto found = nodes.find(name);
        if (found == nodes.end() || found->second.comment == comment) continue;
        const std::string& now = found->second.comment;
        if (now.empty() || now.starts_with(comment_prefix)) set[name] = comment;
    }
    return set;
}

}  // namespace holon::controller
