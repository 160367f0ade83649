// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/slurm.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace holon::os {

std::vector<std::string> slurm_environment() {
    std::vector<std::string> environment{"LC_ALL=C"};
    for (const char* name : {"PATH", "SLURM_CONF", "HOME"})
        if (const char* value = std::getenv(name))
            environment.push_back(fmt::format("{}={}", name, value));
    return environment;
}

std::string word_of(std::string_view line, std::string_view key) {
    for (std::size_t at = 0; at < line.size();) {
        const std::size_t end = std::min(line.find(' ', at), line.size());
        const std::string_view word = line.substr(at, end - at);
        at = end + 1;
        if (word.size() <= key.size() || !word.starts_with(key) || word[key.size()] != '=')
            continue;
        const std::string_view value = word.substr(key.size() + 1);
        return value == "(null)" ? "" : std::string(value);
    }
    return "";
}

std::vector<std::string> controller_hosts(const std::string& shown_config) {
    std::vector<std::string> hosts;
    for (std::size_t at = 0; at < shown_config.size();) {
        const std::size_t end = std::min(shown_config.find('\n', at), shown_config.size());
        const std::string line = shown_config.substr(at, end - at);
        at = end + 1;
        const std::size_t equals = line.find('=');
        if (!line.starts_with("SlurmctldHost[") || equals == std::string::npos) continue;
        std::string host = line.substr(line.find_first_not_of(" =", equals));
        // "ctl(10.0.0.1)": the name alone may not resolve everywhere
        if (const std::size_t open = host.find('('); open != std::string::npos)
            host = host.substr(open + 1, host.find(')', open) - open - 1);
        if (!host.empty()) hosts.push_back(host);
    }
    return hosts;
}

}  // namespace holon::os
