// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/site/topology.h"

#include <strings.h>

#include "plugins/os/error.h"
#include "plugins/plan/plan.h"

namespace holon::site {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The value of KEY= in LINE, to the next blank; Slurm's keys have no case.
std::string_view value_of(std::string_view line, std::string_view key) {
    for (std::size_t at = 0; at < line.size();) {
        while (at < line.size() && is_space(line[at])) ++at;
        std::size_t end = at;
        while (end < line.size() && !is_space(line[end])) ++end;
        const std::string_view word = line.substr(at, end - at);
        if (word.size() > key.size() && word[key.size()] == '=' &&
            ::strncasecmp(word.data(), key.data(), key.size()) == 0)
            return word.substr(key.size() + 1);
        at = end;
    }
    return {};
}

}  // namespace

std::vector<Domain> parse_topology(std::string_view text) {
    std::vector<Domain> domains;
    for (std::size_t at = 0; at < text.size();) {
        std::string line;
        for (bool more = true; more && at < text.size();) {  // a backslash joins lines
            const std::size_t end = std::min(text.find('\n', at), text.size());
            line += text.substr(at, end - at);
            at = end + 1;
            while (!line.empty() && is_space(line.back())) line.pop_back();
            more = !line.empty() && line.back() == '\\';
            if (more) line.back() = ' ';
        }
        line = line.substr(0, line.find('#'));
        std::string_view name = value_of(line, "SwitchName");
        if (name.empty()) name = value_of(line, "BlockName");
        const std::string_view nodes = value_of(line, "Nodes");
        if (name.empty() || nodes.empty()) continue;
        try {
            domains.push_back({std::string(name), plan::expand_hostlist(nodes)});
        } catch (const Error&) {
            continue;
        }
    }
    return domains;
}

Domain parse_domain(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0)
        throw Error("latency domain '{}': not of the form rack1=n[1-16]", text.substr(0, 100));
    return {std::string(text.substr(0, equals)), plan::expand_hostlist(text.substr(equals + 1))};
}

}  // namespace holon::site
