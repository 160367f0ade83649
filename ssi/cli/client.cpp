// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/cli/client.h"

#include <fmt/format.h>
#include <pwd.h>

#include <algorithm>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::cli {
namespace {

constexpr std::size_t packet_limit = 64 * 1024;

Json parsed(const std::string& text) {
    Json answer = Json::parse(text, nullptr, false);
    if (answer.is_discarded()) throw Error("ssid gave no answer");
    if (answer.is_object() && answer.contains("error") && !answer.contains("tid"))
        throw Error("{}", answer.value("error", "ssid gave no answer"));
    return answer;
}

}  // namespace

void send(const os::Fd& daemon, const daemon::ClientMessage& message) {
    if (!daemon::send_packet(daemon.get(),
                             {reinterpret_cast<const char*>(&message), sizeof message}))
        throw Error("ssid is gone");
}

Json ask(const daemon::ClientMessage& message) {
    const os::Fd socket = connect_to_daemon();
    send(socket, message);
    std::string text;
    while (const auto packet = daemon::receive_packet(socket.get(), packet_limit))
        text += packet->bytes;
    return parsed(text);
}

std::optional<Part> next_part(const os::Fd& daemon) {
    auto packet = daemon::receive_packet(daemon.get(), packet_limit);
    if (!packet || packet->bytes.empty()) return std::nullopt;
    return Part{parsed(packet->bytes), std::move(packet->fd)};
}

std::string table(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += i + 1 == row.size() ? row[i] : fmt::format("{:{}}  ", row[i], widths[i]);
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

std::string user_name(uid_t uid) {
    const passwd* entry = ::getpwuid(uid);
    return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

}  // namespace holon::ssi::cli
