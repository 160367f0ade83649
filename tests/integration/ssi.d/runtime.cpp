// SPDX-License-Identifier: GPL-2.0-or-later
//
// The smallest runtime: put into a program it gives the page of the entry point back and starts the
// program; executed as a body process it sends back what comes over its link and its channels. With
// it injection and the daemons are tested without the engine behind them.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "ssi/control/control.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace ssi = holon::ssi;

extern "C" void injected_entry();
extern "C" __attribute__((used, section(".ssi.header"))) const ssi::RuntimeHeader runtime_header = {
    ssi::runtime_magic, ssi::runtime_abi, 0, reinterpret_cast<std::uint64_t>(&injected_entry)};

// Holds a value from the file and one that must have been cleared: both are looked at on entry.
volatile std::uint64_t from_file = 0x1234'5678;
volatile std::uint64_t cleared[1024];

namespace {

long call(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
    register long r10 asm("r10") = d;
    long result = 0;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                 : "rcx", "r11", "memory");
    return result;
}

template <typename T>
long address(T* pointer) {
    return reinterpret_cast<long>(pointer);
}

[[noreturn]] void end(int status) {
    for (;;) call(SYS_exit_group, status);
}

bool send_back(int fd) {
    char buffer[4096];
    const long count = call(SYS_read, fd, address(buffer), sizeof buffer);
    return count > 0 && call(SYS_write, fd, address(buffer), count) == count;
}

// The descriptor of the `channel` message that stands in the control socket, or -1 when the daemon
// is gone: the link and the channels are there without it.
int take_channel() {
    ssi::ControlMessage message{};
    iovec part{&message, sizeof message};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{nullptr, 0, &part, 1, room, sizeof room, 0};
    const long size = call(SYS_recvmsg, ssi::body_control_fd, address(&header), 0);
    if (size == 0) return -1;
    if (size != sizeof message) end(5);
    const cmsghdr* rights = CMSG_FIRSTHDR(&header);
    if (message.type != ssi::ControlType::channel || rights == nullptr) end(3);
    return *reinterpret_cast<const int*>(CMSG_DATA(rights));
}

[[noreturn]] void body() {
    pollfd fds[16] = {{ssi::body_control_fd, POLLIN, 0}, {ssi::body_link_fd, POLLIN, 0}};
    unsigned count = 2;
    for (;;) {
        if (call(SYS_poll, address(fds), count, -1) < 0) end(4);
        for (unsigned i = 1; i < count; ++i)
            if (fds[i].revents != 0 && !send_back(fds[i].fd)) {
                if (i == 1) end(0);
                fds[i].fd = -1;
            }
        if (fds[0].revents == 0 || count == 16) continue;
        const int channel = take_channel();
        if (channel < 0)
            fds[0].fd = -1;
        else
            fds[count++] = {channel, POLLIN, 0};
    }
}

}  // namespace

// Called with struct Injection; returns where to go.
extern "C" std::uint64_t injected(const ssi::Injection* given) {
    const ssi::Injection injection = *given;
    if (from_file != 0x1234'5678) end(121);
    for (const volatile std::uint64_t& word : cleared)
        if (word != 0) end(122);
    const auto* parameters = reinterpret_cast<const ssi::Parameters*>(ssi::layout::parameters);
    if (parameters->abi != ssi::runtime_abi) end(123);
    call(SYS_madvise, static_cast<long>(injection.loader_page),
         static_cast<long>(injection.loader_size), MADV_DONTNEED);
    return injection.entry;
}

extern "C" [[noreturn]] void body_entry() { body(); }

asm(R"(
    .text
    .globl injected_entry, _start
injected_entry:
    mov %rsp, %rbx
    and $-16, %rsp
    call injected
    mov %rbx, %rsp
    push %rax
    xor %eax, %eax
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %r8d, %r8d
    xor %r9d, %r9d
    xor %r10d, %r10d
    xor %r11d, %r11d
    ret
_start:
    and $-16, %rsp
    call body_entry
)");
