// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the three files behind space.h share: the state of one process's address space at home, and
// how a change of it is told to the nodes.
#pragma once

#include "ssi/runtime/maps.h"
#include "ssi/runtime/memory.h"
#include "ssi/runtime/space.h"

namespace holon::ssi::space {

struct State {
    /// One change of the address space at a time. Taken before the space lock, held while nodes
    /// answer.
    Lock change;
    /// File mappings that are not writable: nodes map the same file.
    Ranges files;
    /// Memory shared with other processes, or with this one under another address: it is where its
    /// file is, at home, and a body that touches it goes there. Under the change lock.
    Ranges shared;
    Maps maps;                       ///< under the change lock
    std::uint32_t asked[max_nodes];  ///< changes that node has to answer
    Sequence answered[max_nodes];
    long last_error[max_nodes];
};
extern State state;

constexpr std::uint64_t page_down(std::uint64_t address) { return address & ~4095UL; }
constexpr std::uint64_t page_up(std::uint64_t address) { return (address + 4095) & ~4095UL; }
bool in_runtime(std::uint64_t begin, std::uint64_t end);

/// To every body process, in order. Under the space lock.
void tell(wire::Type type, std::uint64_t address, std::uint64_t length, const void* payload,
          std::size_t size, bool answer);
/// Until every node has answered what it was asked. Not under the space lock. The first error.
long wait_for_answers();

/// Everything the program can reach there becomes anonymous memory with the same contents and
/// protection. The file's name is lost from /proc/PID/maps; the memory can be watched. Pages beyond
/// the end of the file stay what they are, a bus error for who touches them, and are only at home:
/// mapping.end is then where they begin. Under the change lock, or with one thread.
long make_anonymous(Mapping& mapping);
/// A new anonymous mapping comes under the engine and is told to all. Under the change lock.
void adopt_anonymous(std::uint64_t begin, std::uint64_t end, int prot);
void announce_anonymous(std::uint64_t begin, std::uint64_t end, int prot);
/// Memory shared for writing. Under the change lock.
bool home_only(const Mapping& mapping);
/// Nodes are told to have nothing there.
void keep_at_home(const Mapping& mapping);
/// The same, and for the other mappings of the same file. `state.maps` has been read.
void keep_file_at_home(const Mapping& mapping);
/// A shared mapping was made: as above, or a file that is only read. Under the change lock.
void adopt_shared(std::uint64_t begin, std::uint64_t end);
/// A private file mapping was made: writable ones become anonymous memory. Under the change lock.
void adopt_file(std::uint64_t begin, std::uint64_t end, int prot);
/// A mapping of a file that some node cannot map itself: the home's copy is the memory.
void serve_file_from_home(Mapping mapping);

/// Payload of wire::Type::map for a file: the request and the path.
struct FileMap {
    MapRequest request;
    char path[4096];
    /// Bytes of payload; 0 where there is no such file, or its name is too long.
    std::size_t describe(const Mapping& mapping);
};
extern FileMap file_map;  ///< under the change lock

}  // namespace holon::ssi::space
