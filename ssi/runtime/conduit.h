// SPDX-License-Identifier: GPL-2.0-or-later
//
// Large reads of stream sockets by a deputy: the kernel's pages go from the program's descriptor
// by way of a pipe of the deputy's own into the channel, and nobody copies them at home. The pipe
// in between is there because a frame says first how many bytes follow.
#pragma once

#include "ssi/runtime/thread.h"
#include "ssi/wire/frame.h"

namespace holon::ssi::conduit {

/// Smaller reads are copied: the calls below cost more than that.
inline constexpr std::size_t worth_it = 64 << 10;

/// read(fd, …, size), size ≥ worth_it: as the kernel's, but what was read waits in the conduit.
/// False: not made, because this descriptor, or a conduit, is not to be had; nothing was read. The
/// deputy.
bool read(Thread* thread, int fd, std::size_t size, long& result);
/// The frame, and the `bytes` that wait. 0 or -errno.
long send(Thread* thread, wire::Frame frame, std::size_t bytes);
/// Closes it, if there is one. Its thread, or for it in a fork child.
void close(Thread* thread);

}  // namespace holon::ssi::conduit
