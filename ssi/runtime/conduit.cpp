// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/conduit.h"

#include "ssi/runtime/clock.h"
#include "ssi/runtime/process.h"

namespace holon::ssi::conduit {
namespace {

constexpr long f_setpipe_size = 1031;
constexpr long capacity = 1 << 20;  ///< what every user may have (/proc/sys/fs/pipe-max-size)
constexpr int msg_more = 0x8000, msg_nosignal = 0x4000;
constexpr int sig_pipe = 13, sig_block = 0, sig_setmask = 2;
constexpr int sol_socket = 1, so_type = 3, sock_stream = 1;

/// A read takes what is there, up to its size. No pipes: what leaves one is a new page for its
/// writer each time, and costs more than the copy.
bool streams(int fd) {
    int type = 0;
    std::uint32_t size = sizeof type;
    return sys::call_with(__NR_getsockopt, fd, sol_socket, so_type, &type, &size) == 0 &&
           type == sock_stream;
}

bool open(Thread* thread) {
    if (thread->conduit[0] >= 0) return true;
    int ends[2];
    {
        const RoomForDescriptors room;
        if (sys::call_with(__NR_pipe2, ends, sys::o_cloexec) != 0) return false;
        thread->conduit[0] = hide_descriptor(ends[0]);
        thread->conduit[1] = hide_descriptor(ends[1]);
    }
    // A user who has used up what pipes may hold is given small ones: reads would be shorter.
    if (sys::call(__NR_fcntl, thread->conduit[1], f_setpipe_size, capacity) >= capacity)
        return true;
    close(thread);
    return false;
}

}  // namespace

bool read(Thread* thread, int fd, std::size_t size, long& result) {
    if (!streams(fd) || !open(thread)) return false;
    const long args[6] = {fd, 0, thread->conduit[1], 0, static_cast<long>(size), 0};
    result = ssi_interruptible(thread, __NR_splice, args);
    return result != -sys::e_inval;  // a socket that cannot
}

long send(Thread* thread, wire::Frame frame, std::size_t bytes) {
    frame.length = static_cast<std::uint32_t>(bytes);
    frame.clock = clock_now();
    const auto* header = reinterpret_cast<const std::uint8_t*>(&frame);
    for (std::size_t sent = 0; sent < sizeof frame;) {
        const long n = sys::call_with(__NR_sendto, thread->channel, header + sent,
                                      sizeof frame - sent, msg_more | msg_nosignal, 0, 0);
        if (n == -sys::e_intr) continue;
        if (n <= 0) return n == 0 ? -sys::e_badf : n;
        sent += static_cast<std::size_t>(n);
    }
    // Nothing like MSG_NOSIGNAL is there for splice; a body that has gone is no SIGPIPE of the
    // program's.
    const std::uint64_t blocked = 1UL << (sig_pipe - 1);
    std::uint64_t before;
    sys::call_with(__NR_rt_sigprocmask, sig_block, &blocked, &before, 8);
    while (bytes > 0) {
        const long n =
            sys::call_with(__NR_splice, thread->conduit[0], 0, thread->channel, 0, bytes, 0);
        if (n == -sys::e_intr) continue;
        if (n <= 0) return n == 0 ? -sys::e_badf : n;
        bytes -= static_cast<std::size_t>(n);
    }
    sys::call_with(__NR_rt_sigprocmask, sig_setmask, &before, 0, 8);
    return 0;
}

void close(Thread* thread) {
    for (std::int32_t& end : thread->conduit) {
        if (end >= 0) sys::call(__NR_close, end);
        end = -1;
    }
}

}  // namespace holon::ssi::conduit
