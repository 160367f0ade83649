// SPDX-License-Identifier: GPL-2.0-or-later
//
// The program's address space at home, and its copies on the nodes where it has bodies. The
// kernel's own table
// (/proc/self/maps) is the truth; what changes it goes through here, is done at home, and is told
// to every body process in order. All functions return what the system call of that name would. Any
// thread of the home process, not holding the space lock.
#pragma once

#include "ssi/runtime/process.h"
#include "ssi/wire/frame.h"

namespace holon::ssi::space {

/// A change of one node's address space; payload of wire::Type::map. A path, zero-terminated,
/// follows for files.
struct MapRequest {
    std::uint32_t prot;
    std::uint32_t file;     ///< how it is had there: Had
    std::uint64_t offset;   ///< of the file
    std::uint64_t size;     ///< of the file, which must be the same there
    std::int64_t modified;  ///< its mtime, ns
    enum Had : std::uint32_t {
        under_engine = 0,  ///< anonymous memory
        from_file = 1,     ///< the file named, mapped privately
        only_at_home = 2,  ///< not at all: who uses it goes home
    };
};

/// Once, by the only thread: writable private file mappings become anonymous memory.
void prepare();
/// Opens the userfaultfd, registers all anonymous private memory, starts the agent. False: cannot
/// (pinned).
bool arm();
/// Starts a body process on `node` with a copy of this address space. Idempotent. False: refused
/// there.
bool start_body(std::uint32_t node);

long map(std::uint64_t address, std::uint64_t length, long prot, long flags, long fd,
         std::uint64_t offset);
long unmap(std::uint64_t address, std::uint64_t length);
long protect(std::uint64_t address, std::uint64_t length, long prot, long key);
long advise(std::uint64_t address, std::uint64_t length, long advice);
long remap(std::uint64_t address, std::uint64_t old_length, std::uint64_t new_length, long flags,
           std::uint64_t target);
long brk(std::uint64_t end);
/// Everything the program has is at home, readable, until thaw(): a fork child may be made.
void freeze();
void thaw();
/// In a fork child: nothing is elsewhere, nothing is watched any more.
void forget();

/// The agent's: a node has done what it was told (wire::Type::done). Under the space lock.
void done(std::uint32_t node, const wire::Frame& frame);

/// How much of the page link to `node` a body must have seen before it goes on after a call.
std::uint64_t link_position(std::uint32_t node);
/// All threads are home: brings all memory home and lets go of it. Not in a deputy.
void disarm();

/// Asks the body of thread `number` on `node` to come home.
void send_recall(std::uint32_t node, std::uint32_t number);
/// Tells the node of thread `number` which of its CPUs the thread may use.
void send_binding(std::uint32_t node, std::uint32_t number, const KernelCpus& cpus);
/// Passes a signal to the body of thread `number` on `node`, which is interrupted.
void send_signal(std::uint32_t node, std::uint32_t number, const PendingSignal& signal);

}  // namespace holon::ssi::space
