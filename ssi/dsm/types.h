// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the parts of the memory protocol have in common: pages, nodes, results, knobs, counters, and
// the operations that the protocol asks of its surroundings (the *port*). docs/ssi-wire.md has the
// protocol; home.h and remote.h are the two classes a runtime uses.
//
// Everything in this folder is a pure state machine: no system call, no lock, no clock, no heap, no
// static storage. It compiles freestanding. The caller holds one lock around every call into an
// object, and a port's operation never calls back into the object that called it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "ssi/wire/frame.h"

namespace holon::ssi::dsm {

/// The number of a page within its object: address >> 12.
using Page = std::uint64_t;
using Node = std::uint32_t;

inline constexpr unsigned page_shift = 12;
inline constexpr std::size_t page_size = std::size_t{1} << page_shift;
inline constexpr Page page_limit = Page{1} << 36;  ///< pages are below this (48 bits of address)
inline constexpr Node home_node = 0;               ///< the node that holds the directory
inline constexpr Node node_limit = 32;
inline constexpr unsigned max_run = 64;  ///< most pages in one frame with contents, or command
/// Pages sent ahead go in frames of so many: the node puts the first in place while the home still
/// copies the next.
inline constexpr unsigned ahead_run = 16;
inline constexpr unsigned max_ahead = 256;  ///< a window is never longer
inline constexpr unsigned max_zeros = 256;  ///< most pages in one grant without contents
inline constexpr std::uint64_t never = ~std::uint64_t{0};

enum class Mode : std::uint8_t { read = 0, write = 1 };

/// What a node has of a page: nothing (no PTE), a write-protected copy, the only, writable one.
enum class PageState : std::uint8_t { invalid = 0, shared = 1, modified = 2 };

/// ok, or what a peer did that the protocol forbids (the runtime ends the link, and with it the
/// program), or one of the last three, which are our own and end the program too.
enum class Status : std::uint8_t {
    ok,
    unknown_type,
    bad_node,
    bad_address,
    bad_length,
    bad_flags,
    ack_without_command,
    data_missing,
    data_unexpected,
    grant_contradicts_state,
    command_contradicts_state,
    too_many_requests,
    too_many_ranges,
    out_of_memory,
    inconsistent,
};

constexpr const char* describe(Status status) {
    switch (status) {
        case Status::ok:
            return "no error";
        case Status::unknown_type:
            return "a frame of a type that does not belong here";
        case Status::bad_node:
            return "a frame from a node that is none";
        case Status::bad_address:
            return "an address that is no page of the object";
        case Status::bad_length:
            return "a payload of the wrong length";
        case Status::bad_flags:
            return "flags or numbers that mean nothing";
        case Status::ack_without_command:
            return "an ack that nothing asked for";
        case Status::data_missing:
            return "an ack without the page it owes";
        case Status::data_unexpected:
            return "an ack with a page nobody asked for";
        case Status::grant_contradicts_state:
            return "a grant that does not fit what the node has";
        case Status::command_contradicts_state:
            return "a second command for a page while one is open";
        case Status::too_many_requests:
            return "more requests than a node can have open";
        case Status::too_many_ranges:
            return "more range operations at a time than there is room for";
        case Status::out_of_memory:
            return "no memory for the directory";
        case Status::inconsistent:
            return "the home has not got a page that it should have";
    }
    return "an unknown error";
}

/// Knobs.
struct Config {
    std::uint64_t hold_ns =
        50'000;  ///< a page that was asked for stays this long; 0: may go at once
    std::uint32_t first_touch = 16;       ///< untouched pages granted at a time; 1: off
    std::uint32_t ascending_touch = 128;  ///< the same, at most, to who touches in ascending order
    std::uint32_t prefetch_reads = 256;   ///< largest window ahead of a reader; 0: off
    std::uint32_t prefetch_writes = 128;  ///< the same for a writer; 0: off
    bool migratory = true;  ///< pages that wander from writer to writer are granted M on read
};

/// Cheap sums of what happened at one node; at the home, of the directory too.
struct Counters {
    std::uint64_t faults;          ///< told by the kernel (stale ones included)
    std::uint64_t requests;        ///< sent; at the home: received, its own included
    std::uint64_t cold_requests;   ///< of them, at the home: for pages that nobody has written but
                                   ///< their first owner
    std::uint64_t stale_requests;  ///< dropped: the node has, or is about to have, what it asks for
    std::uint64_t stray_requests;  ///< dropped: nothing is mapped there
    std::uint64_t grants;          ///< pages granted (at the home: to any node, itself included)
    std::uint64_t upgrades;        ///< of them, S to M without data
    std::uint64_t first_touched;   ///< of them, untouched until then
    std::uint64_t prefetched;      ///< of them, sent ahead
    std::uint64_t prefetch_hits;   ///< of those, used (seen when the page behind them is asked for)
    std::uint64_t migratory;       ///< read requests answered with M
    std::uint64_t unmigrated;      ///< pages that came back clean and are migratory no more
    std::uint64_t invalidations;   ///< commands (at the home: to any node, itself included)
    std::uint64_t downgrades;
    std::uint64_t recalls;
    std::uint64_t deferred;  ///< commands that waited for the minimum hold at this node
    std::uint64_t bytes;     ///< of page contents sent to other nodes
};

/// The mapping around a page: [first, end). Empty (end <= first): nothing is mapped there.
struct Mapping {
    Page first;
    Page end;
};

/// What both sides need from their surroundings. Page operations are local and complete when they
/// return. `count` pages from `page` on lie in one mapping; count ≤ max_run, without contents
/// (zeros, upgrades) ≤ max_zeros.
template <class P>
concept NodePort = requires(P& port, Page page, unsigned count, const std::byte* data,
                            std::byte* out, bool writable, Node node, const wire::Frame& frame,
                            void* block) {
    // I→S or I→M: COPY `data` (count pages), or zeros if it is null; wakes who waits.
    port.install(page, count, data, writable);
    // S→M: removes the write protection; wakes who waits.
    port.upgrade(page, count);
    // Write-protects; when it returns, no thread of this node can store any more.
    port.protect(page, count);
    // Reads pages that are present, whatever protection the program gave them.
    port.copy(page, count, out);
    // →I: gives the memory up; later accesses fault.
    port.drop(page, count);
    // Wakes threads that wait for the page although nothing was changed.
    port.wake(page);
    // Memory for max_run pages of contents, valid until the next call.
    { port.buffer() } -> std::convertible_to<std::byte*>;
    // Hands over a frame with frame.length bytes of data; copies both. The port fills frame.clock.
    port.send(node, frame, data);
    // 4096 zeroed, aligned bytes or null; and takes them back.
    { port.allocate() } -> std::convertible_to<void*>;
    port.free(block);
};

/// What the home needs besides.
template <class P>
concept HomePort = NodePort<P> && requires(P& port, Page page, std::uint64_t token) {
    // Is the page present at home? Asked once per page that the directory does not know yet.
    { port.home_has(page) } -> std::convertible_to<bool>;
    // The mapping around the page: wherever it is mapped, or is about to be by frames sent before.
    { port.mapping(page) } -> std::convertible_to<Mapping>;
    // A gather is complete. Called at the end of the call that completed it.
    port.gathered(token);
};

constexpr Page page_of(std::uint64_t address) { return address >> page_shift; }

/// A frame about one page or a run of pages.
constexpr wire::Frame make_frame(wire::Type type, Page page, std::uint64_t b, unsigned flags,
                                 std::size_t length) {
    return {.length = static_cast<std::uint32_t>(length),
            .type = type,
            .flags = static_cast<std::uint16_t>(flags),
            .a = page << page_shift,
            .b = b,
            .clock = 0};
}

/// A frame's `b` is the number of pages from its address on, 1 to `most`.
constexpr bool is_run(const wire::Frame& frame, unsigned most) {
    return frame.b != 0 && frame.b <= most && page_of(frame.a) + frame.b <= page_limit;
}

/// A frame's address names a page of the object.
constexpr bool names_page(const wire::Frame& frame) {
    return (frame.a & (page_size - 1)) == 0 && page_of(frame.a) < page_limit;
}

}  // namespace holon::ssi::dsm
