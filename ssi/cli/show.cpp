// SPDX-License-Identifier: GPL-2.0-or-later
//
// ssi nodes and ssi ps: what the daemon knows, as a table or as JSON.
#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::cli {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

Json ask(daemon::ClientRequest request) {
    const os::Fd socket = connect_to_daemon();
    const daemon::ClientMessage message{request, 0};
    daemon::send_packet(socket.get(), {reinterpret_cast<const char*>(&message), sizeof message});
    std::string text;
    while (const auto packet = daemon::receive_packet(socket.get(), 64 * 1024))
        text += packet->bytes;
    Json answer = Json::parse(text, nullptr, false);
    if (answer.is_discarded()) throw Error("ssid gave no answer");
    if (answer.is_object()) throw Error("{}", answer.value("error", "ssid gave no answer"));
    return answer;
}

void print_table(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += i + 1 == row.size() ? row[i] : fmt::format("{:{}}  ", row[i], widths[i]);
        line.erase(line.find_last_not_of(' ') + 1);
        std::cout << line << '\n';
    }
}

// What may stand behind the command's name; true: --json.
bool wants_json(const Arguments& arguments, const char* name, const char* help) {
    bool json = false;
    for (const std::string& word : arguments) {
        if (word == "--help" || word == "-h") {
            std::cout << help;
            std::exit(0);
        }
        if (word != "--json") throw Error("{}: no option {}; see ssi {} --help", name, word, name);
        json = true;
    }
    return json;
}

std::string user_name(uid_t uid) {
    const passwd* entry = ::getpwuid(uid);
    return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

std::string number(const Json& entry, const char* name) {
    return std::to_string(entry.value(name, 0L));
}

}  // namespace

int nodes(const Arguments& arguments) {
    const bool json = wants_json(arguments, "nodes",
                                 "usage: ssi nodes [--json]\n\nThe nodes of this virtual machine, "
                                 "the first one on top: it is the home of all programs.\n");
    const Json answer = ask(daemon::ClientRequest::nodes);
    if (json) {
        std::cout << answer.dump(2) << '\n';
        return 0;
    }
    std::vector<Row> rows{{"NODE", "NAME", "ADDRESS", "CPUS", "STATE"}};
    for (const Json& node : answer)
        rows.push_back({number(node, "node"), node.value("name", ""), node.value("address", ""),
                        number(node, "cpus"), node.value("state", "")});
    print_table(rows);
    return 0;
}

int ps(const Arguments& arguments) {
    const bool json = wants_json(
        arguments, "ps",
        "usage: ssi ps [--json]\n\nYour processes on this virtual machine (all users', for root): "
        "their threads, how many of them\nare away from home, and for one that cannot leave, why. "
        "On another node: its body processes.\n");
    const Json answer = ask(daemon::ClientRequest::processes);
    if (json) {
        std::cout << answer.dump(2) << '\n';
        return 0;
    }
    std::vector<Row> rows{{"PID", "USER", "PROGRAM", "THREADS", "AWAY", "PINNED"}};
    for (const Json& entry : answer)
        rows.push_back({number(entry, "pid"), user_name(entry.value("uid", 0u)),
                        entry.value("program", ""), number(entry, "threads"), number(entry, "away"),
                        entry.value("pinned", "")});
    print_table(rows);
    return 0;
}

}  // namespace holon::ssi::cli
