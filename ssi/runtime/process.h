// SPDX-License-Identifier: GPL-2.0-or-later
//
// The process as the runtime knows it: one instance per process and node, in the runtime's own
// data.
//
// A process is *plain* until it gets its second thread: nothing of it is intercepted but exec and
// that thread's creation. Then it is *prepared*: system calls that touch the address space, threads
// or signal masks are trapped, and writable private file mappings have become anonymous memory. It
// is *armed* when its first body leaves: its anonymous memory is under a userfaultfd and an agent
// thread answers faults.
#pragma once

#include "ssi/control/control.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/thread.h"

namespace holon::ssi {

struct Process {
    bool home;   ///< this is the process itself, not a body process
    bool armed;  ///< home: bodies may exist
    std::uint32_t node, nodes;
    std::uint32_t flags;  ///< Parameters::flags
    std::uint32_t node_cpus[max_nodes];
    std::uint32_t nodes_up;  ///< a bit for each, when the process asked
    std::uint32_t threads_on[max_nodes];
    bool body_on[max_nodes];
    std::int32_t pid;        ///< at home
    std::int32_t control;    ///< descriptor to the daemon, -1
    std::int32_t userfault;  ///< descriptor, -1
    std::uint32_t next_number;
    Lock control_lock;  ///< one request at a time
    Lock thread_lock;   ///< threads_on, next_number, body_on
    std::uint32_t live_threads;
    bool pinned;
};

extern Process process;

/// The program cannot go on as one: says why on descriptor 2 and ends the process at once (every
/// thread, SIGKILL after the message), before any userfaultfd can close.
[[noreturn]] void die(const char* what, long number = 0);
/// One line on descriptor 2, for Parameters::trace.
void trace(const char* what, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0);

/// In a fork child, whose only thread is the caller: locks that others held are free, their blocks
/// too.
void after_fork();

/// Descriptors of the runtime live above what the program can ask for. Moves `fd` there; -errno on
/// failure.
int hide_descriptor(int fd);
/// While it lives, a descriptor can be made although the program has all that it may have.
class RoomForDescriptors {
  public:
    RoomForDescriptors();
    ~RoomForDescriptors();
    RoomForDescriptors(const RoomForDescriptors&) = delete;
    RoomForDescriptors& operator=(const RoomForDescriptors&) = delete;
};
/// From here on no thread has raised the limit for room, until release(): a child inherits what is
/// the program's own.
class NoRoomForDescriptors {
  public:
    NoRoomForDescriptors();
    /// Also by a child that shares the memory.
    static void release();
    /// In a fork child.
    static void forget();
};

bool hidden(std::uint32_t fd);
/// [begin, end): where they are; empty as long as there are none.
struct HiddenRange {
    std::uint32_t begin, end;
};
HiddenRange hidden_descriptors();

}  // namespace holon::ssi

extern "C" int ssi_prepared;
