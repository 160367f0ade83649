// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the engine has to know of one system call: the columns of the table in table.h.
// Freestanding: the runtime includes it.
#pragma once

#include <cstdint>

namespace holon::ssi::syscalls {

/// What happens when a thread whose body runs on another node makes the call.
enum class Class : std::uint8_t {
    home,  ///< the deputy makes the same call with the same arguments; the memory they point to
           ///< is at the same addresses there, the DSM brings what is missing
    here,  ///< answered where the body is, by the runtime or the kernel there
    every_node,  ///< complete on every node before it returns: address space, barriers
    both,        ///< something is done where the body is and something at home
    refuse,      ///< cannot be right across nodes: Answer says how it is refused
};

/// Which of the calls that threads make *at home* have to be intercepted, by the seccomp filters.
enum class Trap : std::uint8_t {
    native,  ///< never: the kernel does what is right
    armed,   ///< in an armed process
    always,  ///< also in an unarmed one: by the filter that is there from the start
};

/// What an interruption by a signal does to the call. A deputy need not guess: when the signal that
/// kicks it has a handler with SA_RESTART, the kernel leaves RIP back on the SYSCALL instruction
/// where the call is of the kind sa_restart or repeats, and RAX = -EINTR everywhere else. What the
/// kernel cannot tell is how to go on when the program's own handler was *not* run.
enum class Restart : std::uint8_t {
    no,          ///< not interruptible, or never waits
    sa_restart,  ///< ERESTARTSYS: repeated unless a handler without SA_RESTART ran; then EINTR
    handler,     ///< ERESTARTNOHAND: EINTR when any handler ran, else repeated
    rest,     ///< ERESTART_RESTARTBLOCK: EINTR when any handler ran, else goes on for the rest of
              ///< its time
    eintr,    ///< EINTR always, even when the process was only stopped and continued
    repeats,  ///< ERESTARTNOINTR: repeated whatever ran
};

/// How a refused call is answered.
enum class Answer : std::int8_t {
    none = 0,  ///< not refused
    pin = -1,  ///< bodies are recalled and the process stays at home; then the call is made
    not_permitted = 1,   ///< EPERM
    invalid = 22,        ///< EINVAL
    not_there = 38,      ///< ENOSYS, as from a kernel built without it
    not_supported = 95,  ///< EOPNOTSUPP
};

/// A pointer argument whose bytes can travel in the message of a forwarded call, so that no page
/// has to. A null pointer travels as null. "in" is what the kernel reads, "out" what it writes. An
/// out argument comes back when the call succeeded, and only as much of it as the kernel wrote.
struct Bytes {
    enum Kind : std::uint8_t {
        nothing,
        in,          ///< as many bytes as argument `size` says
        out,         ///< room for argument `size`; the call's result says how many were written
        out_all,     ///< as many bytes as argument `size` says
        in_fixed,    ///< `size` bytes
        out_fixed,   ///< `size` bytes
        both_fixed,  ///< `size` bytes, in and out; the kernel may leave them as they are
        path,        ///< to the zero byte, at most PATH_MAX
        iovec_in,    ///< a struct iovec[argument `size`] of in
        iovec_out,   ///< a struct iovec[argument `size`] of out
        array,       ///< argument `size` times 8 bytes, in and out (struct pollfd)
        events_out,  ///< the call's result times 12 bytes (struct epoll_event)
        address,     ///< out; argument `size` points to a socklen_t, in and out
    };
    Kind kind = nothing;
    std::uint8_t argument = 0;
    std::uint16_t size = 0;
};

/// One row.
struct Call {
    static constexpr std::int8_t any = -1;

    std::uint16_t number;
    Class what;
    Trap at_home;
    std::int8_t only_if;  ///< at home only when this argument is not 0; any: whatever the arguments
    Restart restart;
    Answer answer;
    Bytes bytes[3];
    const char* name;
    const char* why;
};

}  // namespace holon::ssi::syscalls
