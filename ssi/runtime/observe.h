// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the process tells about itself while somebody looks (ssi/control/recording.h). Off, which it
// is unless asked, all of it is one test of a flag. On, home threads' faults and forwarded calls
// are counted where they are handled, at home; other nodes report each of their faults when it is
// over.
#pragma once

#include "ssi/control/recording.h"
#include "ssi/dsm/types.h"
#include "ssi/runtime/thread.h"
#include "ssi/wire/frame.h"

namespace holon::ssi::observe {

/// Payload of wire::Type::seen: a fault on another node that is over.
struct Seen {
    std::uint64_t address, begin, end;
    std::int32_t tid;
    std::uint32_t write;
};

extern bool active;
inline bool on() { return __atomic_load_n(&active, __ATOMIC_RELAXED); }

/// Home, agent's thread: memory to record into has come; the descriptor is closed.
void begin(int memory);
/// Home, agent's thread, under the space lock, once per round: starts or ends as the memory says,
/// tells the other nodes, takes samples. ns until it wants to be called again, 0: whenever.
std::uint64_t tick(std::uint64_t now, const dsm::Counters& counters);
/// Body process: the home wants faults reported, or no more.
void set(bool wanted);
/// In a fork child: nobody looks.
void forget();

/// Agent's thread, under the space lock: a thread, by its number on this kernel, waits for a page.
void faulted(std::int32_t local_tid, std::uint64_t address, bool write);
/// The same: whoever waited for these pages goes on.
void resolved(dsm::Page page, unsigned count);
/// Home, agent's thread, under the space lock: a node has reported a fault.
void heard(std::uint32_t node, const wire::Frame& frame, const void* payload);
/// The same: a node has told what CPU time it has used.
void used(std::uint32_t node);
/// Home, agent's thread, under the space lock: another node has to give pages up.
void taken(std::uint32_t node, dsm::Page page, unsigned count);

/// Deputy: a call of its body's, from its departure there to now.
void called(const Thread* thread, std::int64_t number, std::uint64_t begin);
/// The calling thread has moved to where thread->node says.
void moved(const Thread* thread);
/// All threads are called home.
void pinned(const char* reason);
/// Never-worse has judged a window.
void judged(bool bad);

}  // namespace holon::ssi::observe
