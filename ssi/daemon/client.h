// SPDX-License-Identifier: GPL-2.0-or-later
//
// Between the `ssi` command and the daemon of its node: SOCK_SEQPACKET at the abstract address
// client_address(partition). One request, then its answer: for `run` one ClientAnswer, for the
// others JSON in packets until the daemon closes.
#pragma once

#include <cstdint>
#include <string>

namespace holon::ssi::daemon {

enum class ClientRequest : std::uint32_t {
    run = 1,  // flags: of struct Parameters; descriptor: the filter's listener
    nodes = 2,
    processes = 3,  // one's own; root sees all
};

struct ClientMessage {
    ClientRequest request;
    std::uint32_t flags;
};

struct ClientAnswer {
    std::uint32_t good;
    char text[516];  // why not, one line; when good, the runtime's file
};

inline std::string control_address(const std::string& partition) {
    return "holon-ssi/" + partition;
}
inline std::string client_address(const std::string& partition) {
    return "holon-ssi/" + partition + "/ssi";
}
inline std::string keeper_address(const std::string& partition) {
    return "holon-ssi/" + partition + "/keeper";
}
inline constexpr char default_partition[] = "default";

}  // namespace holon::ssi::daemon
