// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/syscalls/document.h"

#include <array>

#include "ssi/syscalls/table.h"

namespace holon::ssi::syscalls {

namespace {

constexpr const char* head = R"(# System calls across nodes

Printed from `ssi/syscalls/table.h` by `ssi-syscalls-document`; a test compares the two. It says what becomes of each
system call of x86-64 when threads of one process run on several nodes.

| class | for a thread whose body runs on another node |
|---|---|
| home | The deputy makes the same call with the same arguments. What they point to is at the same addresses there. |
| here | Answered where the body is, by the runtime or by the kernel there. |
| every node | Complete on every node before it returns: address space and barriers. |
| both | Something is done where the body is and something at home. |
| refuse | Cannot be right across nodes. *pins*: bodies are recalled and the process runs at home from then on; else the error is what a kernel without the call gives. |

**At home** says what the seccomp filters intercept of the threads that run at home: nothing (native), the call in an armed
process, or the call always, also in a process that never had a thread away. "if a3" means: only when argument 3 (the first
is 0) is not 0. Calls from the runtime's own range of addresses are never intercepted.

**After a signal** says how an interrupted call goes on:

| | |
|---|---|
| (empty) | not interruptible, or never waits |
| SA_RESTART | repeated, unless a handler without SA_RESTART ran: EINTR |
| handler | EINTR when any handler ran, else repeated (ERESTARTNOHAND) |
| rest | EINTR when any handler ran, else it goes on for the rest of its time (ERESTART_RESTARTBLOCK) |
| EINTR | EINTR, even when the process was only stopped and continued |
| repeats | repeated, whatever ran (ERESTARTNOINTR) |

`read` of an inotify descriptor, and sockets with a time-out set on them, give EINTR although their row says SA_RESTART. A
deputy sees the difference: when the signal that kicks it has a handler with SA_RESTART, the kernel leaves RIP on the
SYSCALL instruction exactly where the call is one to be repeated. `futex` without a time-out is SA_RESTART, with one
rest, and locking a PI futex repeats; `clock_nanosleep` with TIMER_ABSTIME is handler.

**Carried** lists the arguments whose bytes travel in the message, so that no page goes home for them: `<a1:a2` the kernel
reads a2 bytes at a1, `>a1:a2` it writes up to a2 bytes there, `<a1:16` a fixed number, `a0:path` a path, `v` an iovec.
All other memory comes and goes by page.

Numbers that are not listed do not exist: they are answered ENOSYS, and never forwarded unseen.

| number | name | class | at home | after a signal | carried | why |
|--:|---|---|---|---|---|---|
)";

std::string class_text(const Call& call) {
    switch (call.what) {
        case Class::home:
            return "home";
        case Class::here:
            return "here";
        case Class::every_node:
            return "every node";
        case Class::both:
            return "both";
        case Class::refuse:
            break;
    }
    switch (call.answer) {
        case Answer::none:
            break;
        case Answer::pin:
            return "pins";
        case Answer::not_permitted:
            return "EPERM";
        case Answer::invalid:
            return "EINVAL";
        case Answer::not_there:
            return "ENOSYS";
        case Answer::not_supported:
            return "EOPNOTSUPP";
    }
    return "?";
}

std::string trap_text(const Call& call) {
    if (call.at_home == Trap::native) return "native";
    std::string text = call.at_home == Trap::armed ? "armed" : "always";
    if (call.only_if != Call::any) text += " if a" + std::to_string(call.only_if);
    return text;
}

std::string restart_text(Restart restart) {
    constexpr std::array texts = {"", "SA_RESTART", "handler", "rest", "EINTR", "repeats"};
    return texts.at(static_cast<std::size_t>(restart));
}

std::string bytes_text(const Bytes& bytes) {
    const std::string pointer = "a" + std::to_string(bytes.argument);
    const std::string fixed = pointer + ":" + std::to_string(bytes.size);
    const std::string counted = pointer + ":a" + std::to_string(bytes.size);
    switch (bytes.kind) {
        case Bytes::nothing:
            return "";
        case Bytes::in:
            return "<" + counted;
        case Bytes::out:
        case Bytes::out_all:
            return ">" + counted;
        case Bytes::in_fixed:
            return "<" + fixed;
        case Bytes::out_fixed:
            return ">" + fixed;
        case Bytes::both_fixed:
            return "<>" + fixed;
        case Bytes::path:
            return pointer + ":path";
        case Bytes::iovec_in:
            return "<v" + counted;
        case Bytes::iovec_out:
            return ">v" + counted;
        case Bytes::array:
            return "<>" + counted + "×8";
        case Bytes::events_out:
            return ">" + pointer + ":result×12";
        case Bytes::address:
            return ">" + pointer + ":*a" + std::to_string(bytes.size);
    }
    return "?";
}

/// In a Markdown table a bar ends the cell, also between backquotes, and "<" may begin a tag.
std::string cell(const std::string& code) { return code.empty() ? code : "`" + code + "`"; }

}  // namespace

std::string document() {
    std::string text = head;
    for (const Call& call : rows::table) {
        std::string carried;
        for (const Bytes& bytes : call.bytes)
            if (bytes.kind != Bytes::nothing)
                carried += (carried.empty() ? "" : " ") + bytes_text(bytes);
        text += "| " + std::to_string(call.number) + " | " + call.name + " | " + class_text(call) +
                " | " + trap_text(call) + " | " + restart_text(call.restart) + " | " +
                cell(carried) + " | " + call.why + " |\n";
    }
    return text;
}

}  // namespace holon::ssi::syscalls
