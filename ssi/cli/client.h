// SPDX-License-Identifier: GPL-2.0-or-later
//
// Questions to the daemon (ssi/daemon/client.h), and tables of the answers.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plugins/os/fd.h"
#include "ssi/daemon/client.h"

namespace holon::ssi::cli {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

void send(const os::Fd& daemon, const daemon::ClientMessage& message);
// The whole answer. Throws Error with what the daemon says is wrong.
Json ask(const daemon::ClientMessage& message);
// A packet of an answer that comes in several, with its descriptor; nullopt at the end.
struct Part {
    Json json;
    os::Fd fd;
};
std::optional<Part> next_part(const os::Fd& daemon);

// Columns as wide as their contents; the first row is the heading.
std::string table(const std::vector<Row>& rows);
std::string user_name(uid_t uid);

}  // namespace holon::ssi::cli
