// SPDX-License-Identifier: GPL-2.0-or-later
//
// ssi move: takes threads to a node.
#include <fmt/format.h>

#include <charconv>
#include <iostream>

#include "plugins/os/error.h"
#include "ssi/cli/client.h"
#include "ssi/cli/command.h"

namespace holon::ssi::cli {
namespace {

constexpr char help[] =
    "usage: ssi move PID[/TID] NODE\n\n"
    "Moves a running thread, or all threads of a process, to a node, by its number or name (ssi\n"
    "nodes); returns when each has moved, or says why one has not. A TID alone names a thread, "
    "too.\n"
    "You move your own processes; root moves all. A thread stays within the CPUs that it is bound\n"
    "to, and new threads are placed as always.\n";

std::int32_t number_of(const std::string& text, const char* what) {
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number <= 0)
        throw UsageError("move", fmt::format("'{}' is not {}", text, what));
    return number;
}

std::uint32_t node_of(const std::string& text) {
    const Json nodes = ask({.request = daemon::ClientRequest::nodes});
    for (const Json& node : nodes)
        if (node.value("name", "") == text || std::to_string(node.value("node", 0)) == text)
            return node.value("node", 0U);
    throw Error("move: there is no node '{}'; see ssi nodes", text);
}

}  // namespace

int move(const Arguments& arguments) {
    for (const std::string& word : arguments) {
        if (word == "--help" || word == "-h") {
            std::cout << help;
            return 0;
        }
        if (word.starts_with('-')) throw UsageError("move", fmt::format("no option {}", word));
    }
    if (arguments.size() > 2)
        throw UsageError("move", fmt::format("'{}' is too much", arguments[2]));
    if (arguments.size() < 2)
        throw UsageError("move", "a process or thread, and a node are wanted");
    const std::string& who = arguments[0];
    const std::size_t slash = who.find('/');
    daemon::ClientMessage message{.request = daemon::ClientRequest::move};
    message.pid = number_of(who.substr(0, slash), "a process");
    if (slash != std::string::npos) message.tid = number_of(who.substr(slash + 1), "a thread");
    message.node = node_of(arguments[1]);
    int status = 0;
    for (const Json& each : ask(message)) {
        const std::string why_not = each.value("error", "");
        const std::string thread = fmt::format("{}/{}", each.value("pid", 0), each.value("tid", 0));
        if (why_not.empty()) {
            std::cout << thread << " is on node " << each.value("node", 0) << '\n';
        } else {
            std::cerr << "ssi: move: " << thread << " stays on node " << each.value("node", 0)
                      << ": " << why_not << '\n';
            status = exit_failed;
        }
    }
    return status;
}

}  // namespace holon::ssi::cli
