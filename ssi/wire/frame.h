// SPDX-License-Identifier: GPL-2.0-or-later
//
// The unit of every connection between a process's parts on two nodes: a fixed header, then
// `length` bytes of payload. Little-endian, as x86-64 has it (the engine runs on nothing else).
// docs/ssi-wire.md says what each type carries.
//
// There are two kinds of connection. A *page link* joins the agents of the home and of one body
// process: memory and address-space messages, strictly in order. A *channel* joins one thread's
// body and its deputy: system calls and signals. What arrives is hostile until checked: a frame
// that does not decode ends the connection and the program.
#pragma once

#include <cstdint>

namespace holon::ssi::wire {

enum class Type : std::uint16_t {
    // page link: memory (ssi/dsm)
    request = 1,     ///< node → home: a = page address, b = 0 read, 1 write
    grant = 2,       ///< home → node: flags = GrantFlags, payload: b × 4096 or none
    invalidate = 3,  ///< home → node: drop the pages
    downgrade = 4,   ///< home → node: keep them readable, send them back
    recall = 5,      ///< home → node: drop them, send them back
    ack = 6,  ///< node → home: answer to the three above, flags = AckFlags, payload: b × 4096 or
              ///< none. In 2 to 6 a = address of the first page, b = number of pages

    // page link: address space (ssi/runtime)
    map = 32,    ///< home → node: a = address, b = length, payload: MapRequest (+ path of a file)
    unmap = 33,  ///< home → node: a = address, b = length; answered by done
    protect = 34,  ///< home → node: a = address, b = length, payload: uint32 prot; answered by done
    discard = 35,  ///< home → node: a = address, b = length: pages there are untouched again;
                   ///< answered by done
    signal = 37,   ///< home → node: a = thread: for its body; payload: PendingSignal
    recall_thread = 38,  ///< home → node: a = thread: its body is to come home
    ping = 39,           ///< both ways: an answer is wanted
    pong = 40,           ///< the answer
    cpus = 41,         ///< home → node, first: a = virtual number of its first CPU, b = how many
    bind_thread = 42,  ///< home → node: a = thread; payload: KernelCpus: those of the node's CPUs
                       ///< that its body may use, by their place
    ask_cpu_time = 43,  ///< home → node: a = number of the question, b = a thread, or all ones
    cpu_time = 44,      ///< node → home: a = number of the question; payload: cpu_time::Used
    ask_time = 45,      ///< node → home: a = the node's clock
    time = 46,     ///< home → node: a = as asked, b = the home's clock; payload: vdso::Beyond
    observe = 56,  ///< home → node: a = 1: report faults, 0: no more
    seen = 57,     ///< node → home: a fault that is over; payload: observe::Seen
    done = 63,     ///< node → home: a = sequence number of what was asked, b = errno or 0

    // channel: threads
    start_thread = 64,  ///< home → body: payload: ThreadStart
    call = 65,          ///< body → deputy: payload: Call (+ bytes)
    result = 66,        ///< deputy → body: payload: Result (+ bytes)
};

/// flags of `grant`. Neither data nor upgrade: the pages are zeros.
enum GrantFlags : std::uint16_t {
    grant_writable = 1,  ///< the node becomes the only owner
    grant_data = 2,      ///< the payload is the contents
    grant_upgrade =
        4,  ///< the node has the page and may write it from now on (with grant_writable, one page)
    grant_migratory =
        8,  ///< with data and writable: ack_clean is wanted when the page goes back unchanged
};

/// flags of `ack`.
enum AckFlags : std::uint16_t {
    ack_clean = 1,   ///< the page was granted with grant_migratory and goes back as it came
    ack_absent = 2,  ///< the node has not got the page (any more)
};

struct Frame {
    std::uint32_t length;  ///< bytes of payload that follow
    Type type;
    std::uint16_t flags;
    std::uint64_t a;
    std::uint64_t b;
    std::uint64_t clock;  ///< the sender's monotonic clock in the program's terms, ns: a receiver
                          ///< never reports less
};
static_assert(sizeof(Frame) == 32);

inline constexpr std::uint32_t max_payload = (1U << 20) + 4096;  ///< 1 MiB and what comes before it

}  // namespace holon::ssi::wire
