// SPDX-License-Identifier: GPL-2.0-or-later
//
// Between a process's runtime and the daemon of its node: a Unix SOCK_SEQPACKET socket, one message
// per packet, each a ControlMessage, descriptors beside it (SCM_RIGHTS). The daemon makes and
// authenticates every connection between nodes and hands over the connected socket; afterwards it
// is not in the way of any message.
//
// At home the runtime connects to the abstract address in its parameters, once per process, when
// the process gets its second thread. SO_PEERCRED tells the daemon who it is. On another node the
// daemon starts the body process and is the other end of its control socket from the beginning.
//
// One request at a time per socket; every request is answered by its reply or by `refused`.
#pragma once

#include <cstdint>

namespace holon::ssi {

/// The reason of `pinned` that the daemon remembers a program by, and the one it then gives.
inline constexpr char better_at_home[] = "better-at-home", known_better[] = "better-at-home-before";

inline constexpr int max_nodes = 32;  ///< node 0 is the home of every process

enum class ControlType : std::uint32_t {
    // home runtime → daemon
    hello = 1,         ///< node = 1: it is apart whatever that costs (--spread) → welcome
    start_body = 2,    ///< node: start a body process for this process there → body_started
    open_channel = 3,  ///< node, value = any number unique in the process → channel_opened
    pinned = 4,        ///< text = reason ("shared-file", …); no reply. Shown by `ssi ps`
    counters = 5,      ///< value = threads away from home now; no reply
    attend = 6,        ///< → attending
    agent = 7,         ///< value = TID of the process's agent, to run before all else; no reply
    used = 9,          ///< value = ns of CPU time that its bodies have used more than it said
                       ///< before, as user; timeout = as system → counted
    own_memory = 8,    ///< value = 0: /proc/self/mem, 1: /proc/self/pagemap, of a process that
                       ///< may not open them (it gave up its uid); text = own_memory_proof bytes
                       ///< that lie in Parameters::proof meanwhile → own_memory_opened
                       // daemon → home runtime
    welcome =
        16,  ///< value = number of nodes, node_cpus[] filled, node = a bit for each that is up;
             ///< text = why the program had better stay at home, if so;
             ///< descriptor: /dev/userfaultfd opened
    body_started =
        17,  ///< node; descriptor: connected TCP socket, the page link to the body process's agent
    channel_opened =
        18,        ///< node, value as asked; descriptor: connected TCP socket to the body process
    refused = 19,  ///< text = why, one line
    counted = 22,  ///< its parents will be told
    own_memory_opened = 21,  ///< descriptor: opened for reading
    attending = 20,  ///< descriptor: a socket of the same kind, on which the daemon asks. There:
                     // daemon → home runtime
    observe = 48,    ///< descriptor: memory to record into (recording.h); no reply
    move = 49,       ///< value = a thread's number, 0: all; node: where it is to be → moving
    home = 52,       ///< all threads come home, and then the memory, for good → at_home
                     // home runtime → daemon
    moving = 50,     ///< value = how many threads are asked; a `moved` comes from each
    moved = 51,      ///< value = thread, node = where it is, text = why not where it should be
    at_home = 53,    ///< nothing of the process is elsewhere any more
                     // daemon → body process
    channel = 32,    ///< value as asked by open_channel; descriptor: the accepted TCP socket
};

inline constexpr unsigned own_memory_proof = 16;

struct ControlMessage {
    ControlType type;
    std::uint32_t node;
    std::uint64_t value;
    std::uint32_t node_cpus[max_nodes];  ///< welcome only: CPUs of each node, virtual CPU numbers
                                         ///< follow node by node
    std::uint64_t timeout;  ///< welcome: seconds of silence after which a node counts as lost; used
    char text[128];         ///< zero-terminated
};

/// A body process is the runtime's file, executed with argv {"ssi-body", decimal node number}, an
/// empty environment, the program's uid, gid and groups, no_new_privs, the parameters below as
/// descriptors, descriptor 2 for last words (the daemon's log), and nothing else open:
inline constexpr int body_control_fd = 3;      ///< SOCK_SEQPACKET to the daemon
inline constexpr int body_link_fd = 4;         ///< TCP, page link to the home's agent
inline constexpr int body_userfaultfd_fd = 5;  ///< /dev/userfaultfd, opened by the daemon

}  // namespace holon::ssi
