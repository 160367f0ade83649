// SPDX-License-Identifier: GPL-2.0-or-later
//
// ssi nodes and ssi ps: what the daemon knows, as a table or as JSON.
#include <fmt/format.h>

#include <iostream>

#include "plugins/os/error.h"
#include "ssi/cli/client.h"
#include "ssi/cli/command.h"

namespace holon::ssi::cli {
namespace {

// What may stand behind the command's name; true: --json.
bool wants_json(const Arguments& arguments, const char* name, const char* help) {
    bool json = false;
    for (const std::string& word : arguments) {
        if (word == "--help" || word == "-h") {
            std::cout << help;
            std::exit(0);
        }
        if (word != "--json")
            throw UsageError(name, word.starts_with('-') ? "no option " + word
                                                         : fmt::format("'{}' is too much", word));
        json = true;
    }
    return json;
}

std::string number(const Json& entry, const char* name) {
    return std::to_string(entry.value(name, 0L));
}

}  // namespace

int nodes(const Arguments& arguments) {
    const bool json = wants_json(arguments, "nodes",
                                 "usage: ssi nodes [--json]\n\nThe nodes of this virtual machine, "
                                 "the first one on top: it is the home of all programs.\n");
    const Json answer = ask({.request = daemon::ClientRequest::nodes});
    if (json) {
        std::cout << answer.dump(2) << '\n';
        return 0;
    }
    std::vector<Row> rows{{"NODE", "NAME", "ADDRESS", "CPUS", "STATE"}};
    for (const Json& node : answer)
        rows.push_back({number(node, "node"), node.value("name", ""), node.value("address", ""),
                        number(node, "cpus"), node.value("state", "")});
    std::cout << table(rows);
    return 0;
}

int ps(const Arguments& arguments) {
    const bool json = wants_json(
        arguments, "ps",
        "usage: ssi ps [--json]\n\nYour processes on this virtual machine (all users', for root): "
        "their threads, how many of them\nare away from home, and for one that cannot leave, why. "
        "On another node: its body processes.\n");
    const Json answer = ask({.request = daemon::ClientRequest::processes});
    if (json) {
        std::cout << answer.dump(2) << '\n';
        return 0;
    }
    std::vector<Row> rows{{"PID", "USER", "PROGRAM", "THREADS", "AWAY", "PINNED"}};
    for (const Json& entry : answer)
        rows.push_back({number(entry, "pid"), user_name(entry.value("uid", 0u)),
                        entry.value("program", ""), number(entry, "threads"), number(entry, "away"),
                        entry.value("pinned", "")});
    std::cout << table(rows);
    return 0;
}

}  // namespace holon::ssi::cli
