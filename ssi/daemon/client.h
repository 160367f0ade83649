// SPDX-License-Identifier: GPL-2.0-or-later
//
// Between the `ssi` command and the daemon of its node: SOCK_SEQPACKET at the abstract address
// client_address(partition). One request, then its answer: for `run` one ClientAnswer; for
// `observe` a packet for each process, JSON with its recording (control/recording.h) as descriptor,
// where it has one; for `profile` the same, when a second packet was sent; for the others JSON in
// packets. The daemon closes at the end. An error is an object with "error".
#pragma once

#include <cstdint>
#include <string>

namespace holon::ssi::daemon {

enum class ClientRequest : std::uint32_t {
    run = 1,  // flags: of struct Parameters; descriptor: the filter's listener
    nodes = 2,
    processes = 3,  // one's own; root sees all
    observe = 4,    // they record for a while
    profile = 5,    // what the asking process starts records from its first thread on
    move = 6,       // pid, tid (0: all threads), node
};

struct ClientMessage {
    ClientRequest request;
    std::uint32_t flags;
    std::int32_t pid, tid;
    std::uint32_t node;
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
