// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/doctor/site.h"

#include <strings.h>
#include <unistd.h>

#include <algorithm>

#include "cli/ask.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"

namespace holon::cli {
namespace {

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
        text.remove_suffix(1);
    return text;
}

os::RunOptions slurm_options() {
    os::RunOptions options;
    options.env = slurm_environment();
    options.timeout = std::chrono::seconds(15);  // clients hang where slurmctld is away
    return options;
}

}  // namespace

std::vector<std::string> split_list(std::string_view text, char separator) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(separator, at), text.size());
        if (const auto word = trimmed(text.substr(at, end - at)); !word.empty())
            words.emplace_back(word);
        at = end + 1;
    }
    return words;
}

bool has_word(std::string_view list, std::string_view word) {
    for (const std::string& one : split_list(list))
        if (one.size() == word.size() && ::strncasecmp(one.data(), word.data(), word.size()) == 0)
            return true;
    return false;
}

std::map<std::string, std::string> parse_slurm_config(std::string_view text) {
    std::map<std::string, std::string> values;
    for (const std::string& line : split_list(text, '\n')) {
        const std::size_t equals = line.find('=');
        if (equals == std::string::npos) continue;
        const std::string key(trimmed(std::string_view(line).substr(0, equals)));
        const std::string value(trimmed(std::string_view(line).substr(equals + 1)));
        values[key] = value == "(null)" ? "" : value;
    }
    return values;
}

std::string parse_slurm_release(std::string_view text) {
    const auto words = split_list(text.substr(0, text.find('\n')), ' ');
    return words.size() > 1 ? words.back() : "";
}

std::string Site::slurm_value(const std::string& key) const {
    const auto found = slurm.find(key);
    return found == slurm.end() ? "" : found->second;
}

Site look_at_host() {
    Site site;
    site.root = ::geteuid() == 0;
    site.host = host_name();
    try {
        site.config = config::load_default();
    } catch (const Error& error) {
        site.config_error = error.what();
    }
    return site;
}

Site look_around() {
    Site site = look_at_host();
    try {
        site.slurm_release =
            parse_slurm_release(os::run_checked({"scontrol", "--version"}, slurm_options()));
        site.slurm =
            parse_slurm_config(os::run_checked({"scontrol", "show", "config"}, slurm_options()));
    } catch (const Error& error) {
        site.slurm_error = error.what();
        return site;
    }
    for (const auto& [key, value] : site.slurm)
        if (key.starts_with("SlurmctldHost[")) {  // "ctl" or "ctl(10.0.0.1)"
            const std::string name = value.substr(0, value.find('('));
            if (name.substr(0, name.find('.')) == site.host) site.controller = true;
        }
    const auto node = os::run({"scontrol", "-o", "show", "node", site.host}, slurm_options());
    if (node.ok() && node.out.starts_with("NodeName=" + site.host + " "))
        site.node_name = site.host;
    return site;
}

}  // namespace holon::cli
