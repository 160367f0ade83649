// SPDX-License-Identifier: GPL-2.0-or-later
//
// The program's pages on this node: userfaultfd on one side, the coherence protocol (ssi/dsm) on
// the other. Everything here happens under the space lock.
#pragma once

#include "ssi/dsm/home.h"
#include "ssi/dsm/remote.h"
#include "ssi/runtime/link.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/ranges.h"

namespace holon::ssi::memory {

/// What the protocol asks of the kernel and of the page links.
struct Port {
    void install(dsm::Page page, unsigned count, const std::byte* data, bool writable);
    void upgrade(dsm::Page page, unsigned count);
    void protect(dsm::Page page, unsigned count);
    void copy(dsm::Page page, unsigned count, std::byte* out);
    void drop(dsm::Page page, unsigned count);
    void wake(dsm::Page page);
    std::byte* buffer();
    void send(dsm::Node node, const wire::Frame& frame, const std::byte* data);
    void* allocate();
    void free(void* block);
    bool home_has(dsm::Page page);
    dsm::Mapping mapping(dsm::Page page);
    void gathered(std::uint64_t token);
};

using Home = dsm::Home<Port>;
using Remote = dsm::Remote<Port>;

/// Opens userfaultfd (from a descriptor of /dev/userfaultfd, which is closed) and the files of
/// /proc that page operations need, and makes the protocol's half for this node. 0 or -errno.
long open(int userfaultfd_device);
/// Back to nothing: in a fork child.
void close();

Lock& lock();
Home& home();
Remote& remote();
/// Anonymous memory under the engine.
Ranges& ranges();
Link& link(unsigned node);
Sequence& gathers();

/// While it lives, what is sent over page links is collected, so that many small frames leave in
/// one piece; end() lets go of it. Under the space lock from its beginning to its end.
class Batch {
  public:
    Batch() { Link::collect = true; }
    ~Batch() { end(); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    void end();
};

/// Puts memory under the engine (userfaultfd MISSING and WP). 0 or -errno.
long watch(std::uint64_t begin, std::uint64_t end);
/// Takes one range out, all of which is at home.
void unwatch(std::uint64_t begin, std::uint64_t end);
/// No memory is under the engine any more; every page is at home, and writable as its mapping is.
void unwatch_all();
/// Wakes whoever waits for pages there.
void wake(std::uint64_t begin, std::uint64_t end);
/// A peer broke the protocol, or memory is out: the program cannot go on.
void check(dsm::Status status);

}  // namespace holon::ssi::memory
