// SPDX-License-Identifier: GPL-2.0-or-later
//
// Between one thread's body and its deputy: a TCP connection of their own, on which a system call
// is one frame there and one frame back. Blocking; used by those two threads only.
#pragma once

#include "ssi/runtime/thread.h"
#include "ssi/wire/frame.h"

namespace holon::ssi {

/// Payload of wire::Type::call. Bytes carried, or a ThreadState, follow.
struct Call {
    std::int64_t number;
    std::int64_t args[6];
    std::uint64_t mask;  ///< the thread's signal mask at the call
};

/// Calls that no kernel has: what the runtimes ask of each other, numbered above the table.
inline constexpr std::int64_t call_fault =
    1'000'001;  ///< args: signo, code, address: a fault in the program's own code

/// The thread's signal mask has changed: it is in the call's `mask`.
inline constexpr std::int64_t call_mask = 1'000'002;

/// A signal that a body kept back, on its way home with it; payload: siginfo. No result.
inline constexpr std::int64_t call_signal_back = 1'000'003;
/// The body has ended here; payload: ThreadState, with which the deputy goes on. No result.
inline constexpr std::int64_t call_come_home = 1'000'004;

/// A result: the call was not made, or is to be made again, after the signals that interrupted it
/// (the kernel's ERESTARTSYS, which programs never see).
inline constexpr long restart = -512;

/// Sends header and up to two pieces of payload in one go. 0 or -errno.
long send_frame(int fd, wire::Type type, std::uint16_t flags, std::uint64_t a, std::uint64_t b,
                const void* first, std::size_t first_size, const void* second = nullptr,
                std::size_t second_size = 0);

/// Receives one frame, its payload into `buffer`. 0, or -errno; -e_badf where the other side is
/// gone, -e_inval where the frame is not what this protocol allows.
long receive_frame(int fd, wire::Frame& frame, void* buffer, std::size_t capacity);

/// The two halves of it, for a payload that goes where the program wants it: the header, and then
/// `size` bytes to `target`. -e_fault: the program has not got that memory; the bytes are off the
/// channel all the same, by way of `scratch`.
long receive_header(int fd, wire::Frame& frame);
long receive_for_program(int fd, std::uint64_t target, std::size_t size, void* scratch,
                         std::size_t scratch_size);

/// flags of call and result: bytes of the program's memory are in the payload.
inline constexpr std::uint16_t carries_bytes = 1;

/// read, recv …: bytes come back in the result. write, send …: they go with the call. Which
/// argument is the buffer and which the size; 0 where neither holds.
struct Carried {
    int buffer, size;
    bool outbound;
};
const Carried* carried(long number);

}  // namespace holon::ssi
