// SPDX-License-Identifier: GPL-2.0-or-later
// The `open` frame's JSON (docs/channel-protocol.md). Pure.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spank/run/environment.h"

namespace holon::run {

struct OpenRequest {
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string cwd;
    mode_t umask = 022;
    std::map<std::string, Limit> limits;
    struct Terminal {
        unsigned short rows = 0, columns = 0;
    };
    std::optional<Terminal> terminal;
    std::optional<std::string> script;  // content; in the VM its path replaces argv[0]
    bool input = true;
};

// Bytes that are not UTF-8 are replaced: JSON cannot carry them.
std::string to_json(const OpenRequest& request);
std::string base64(std::string_view bytes);

}  // namespace holon::run
