// SPDX-License-Identifier: GPL-2.0-or-later
// What the host sends as JSON is taken or refused with an exception, and any account file can be
// added to.
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <string>

#include "guest/configure.h"
#include "guest/launch.h"
#include "guest/users.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace holon::guest;
    const std::string text(reinterpret_cast<const char*>(data), size);
    try {
        if (parse_open(text).argv.empty()) std::abort();
    } catch (const std::exception&) {
    }
    try {
        const auto config = parse_config(text);
        etc_hosts(config.hosts);
    } catch (const std::exception&) {
    }
    const User user{"alice",       1000,      1000,
                    "/home/alice", "/bin/sh", {{"alice", 1000}, {"project", 2000}}};
    for (const auto& file :
         {passwd_with(text, user), group_with(text, user), shadow_with(text, user)})
        if (("\n" + file).find("\nalice:") == std::string::npos) std::abort();
    // Adding twice is adding once.
    const auto group = group_with(text, user);
    if (group_with(group, user) != group) std::abort();
    return 0;
}
