// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a process records about itself while somebody looks: a file in memory (memfd) that the
// daemon makes, the process's agent and deputies write, and `ssi top` and `ssi profile` read. Fixed
// tables, counted into without allocation; the file outlives the process. Who reads it must expect
// anything in it: it is the program's own memory.
//
// Times are the program's CLOCK_MONOTONIC, ns. Freestanding: the runtime includes it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ssi/control/control.h"

namespace holon::ssi::recording {

inline constexpr std::uint64_t magic = 0x31'63'65'72'69'73'73'68;  // "hssirec1"

/// One thread of the program's, by its number at home.
struct Thread {
    std::int32_t tid;             ///< 0: this place is free
    std::uint32_t node;           ///< where it was last seen
    std::uint64_t stack;          ///< an address in its stack; 0: not known
    std::uint64_t reads, writes;  ///< page faults
    std::uint64_t fault_ns;       ///< it waited for pages
    std::uint64_t calls;          ///< forwarded
    std::uint64_t call_ns;        ///< they took, waiting included
    std::uint32_t moves;
    std::uint32_t reserved;
};

/// Who faulted on a page, and where in it.
struct User {
    std::int32_t tid;  ///< 0: free
    std::uint16_t node;
    std::uint16_t low, high;  ///< the lowest and highest byte of the page that it asked to write
    std::uint16_t reserved;
    std::uint32_t reads, writes;
};

inline constexpr std::size_t users_per_page = 8;

/// A page that some thread waited for.
struct Page {
    std::uint64_t address;  ///< 0: this place is free
    std::uint64_t reads, writes;
    std::uint64_t ns;     ///< threads waited for it
    std::uint64_t taken;  ///< times it was taken away from a node
    User users[users_per_page];
};

struct Call {
    std::uint64_t count, ns;
};

enum class Kind : std::uint16_t {
    fault = 1,  ///< what: address; detail: 1 where it was to be written
    call = 2,   ///< what: number
    taken = 3,  ///< what: address, detail: pages; from `node`, of no thread. begin == end
    moved = 4,  ///< to `node`; begin == end
    home = 5,   ///< all threads are called home for good; begin == end
};

struct Event {
    std::uint64_t begin, end;
    std::uint64_t what;
    std::int32_t tid;
    Kind kind;
    std::uint8_t node;
    std::uint8_t detail;
};
static_assert(sizeof(Event) == 32);

inline constexpr std::size_t max_threads = 512, max_pages = 8192, max_calls = 512,
                             max_maps = 1 << 20, max_events = 1 << 19;
/// Numbers from max_calls on are the engine's own and are not counted by number.

struct Recording {
    std::uint64_t magic;
    std::uint64_t until;  ///< the daemon's: the process records as long as its clock is below
    std::int32_t pid;
    std::uint32_t nodes;
    std::uint64_t began, seen;            ///< first and latest time at which something was recorded
    std::uint64_t cpu[max_nodes];         ///< ns of CPU time used on each node
    std::uint32_t threads_on[max_nodes];  ///< at `seen`
    std::uint64_t faults, calls, call_ns;   ///< sums, also of what found no place in a table
    std::uint64_t lost_pages, lost_events;  ///< found no place
    std::uint64_t windows, bad_windows;     ///< judged, found bad, by never-worse
    std::uint64_t home_at;  ///< time at which all threads were called home; 0: never
    char home_why[64];
    std::uint64_t bytes, grants, prefetched, prefetch_hits, migratory, first_touched;
    std::uint64_t event_count;   ///< asked for; those above max_events are lost
    std::uint32_t maps_version;  ///< odd while maps is being written
    std::uint32_t maps_size;
    Thread threads[max_threads];
    Page pages[max_pages];
    Call by_number[max_calls];
    char maps[max_maps];  ///< /proc/PID/maps, as it was when the last new page was seen
    Event events[max_events];
};

}  // namespace holon::ssi::recording
