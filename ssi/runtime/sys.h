// SPDX-License-Identifier: GPL-2.0-or-later
//
// The kernel as the runtime sees it: raw system calls that return -errno, and nothing of libc. The
// runtime runs inside other programs, on threads whose TLS, errno and locale belong to the program;
// no header that needs a C library's object code may be included here. The kernel's uapi headers
// are fine.
#pragma once

#include <asm/unistd.h>
#include <cstddef>
#include <cstdint>
#include <type_traits>

extern "C" {
void* memcpy(void* to, const void* from, std::size_t size);
void* memmove(void* to, const void* from, std::size_t size);
void* memset(void* at, int value, std::size_t size);
int memcmp(const void* left, const void* right, std::size_t size);
std::size_t strlen(const char* text);
}

namespace holon::ssi::sys {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

template <typename T>
long raw(T value) {
    if constexpr (std::is_pointer_v<T>)
        return reinterpret_cast<long>(value);
    else
        return static_cast<long>(value);
}

/// call() with pointers and integers of any kind.
template <typename... Args>
long call_with(long number, Args... args) {
    return call(number, raw(args)...);
}

constexpr bool failed(long result) { return static_cast<unsigned long>(result) > -4096UL; }

// Values of the kernel's that have no freestanding header of their own, or whose header drags in
// libc's.
inline constexpr int e_perm = 1, e_srch = 3, e_intr = 4, e_badf = 9, e_again = 11, e_nomem = 12,
                     e_fault = 14, e_exist = 17, e_inval = 22, e_nosys = 38, e_timedout = 110;
inline constexpr int prot_none = 0, prot_read = 1, prot_write = 2, prot_exec = 4;
inline constexpr int map_shared = 1, map_private = 2, map_type = 0xf, map_fixed = 0x10,
                     map_anonymous = 0x20, map_growsdown = 0x100, map_locked = 0x2000,
                     map_noreserve = 0x4000, map_populate = 0x8000, map_stack = 0x20000,
                     map_hugetlb = 0x40000, map_fixed_noreplace = 0x100000;
inline constexpr int madv_dontneed = 4, madv_free = 8, madv_dontfork = 10,
                     madv_dontneed_locked = 24;  // Linux 5.18
inline constexpr int sig_sys = 31, sig_segv = 11, sig_bus = 7, sig_kill = 9, sig_abrt = 6;
inline constexpr unsigned long sa_siginfo = 4, sa_restorer = 0x04000000, sa_onstack = 0x08000000,
                               sa_restart = 0x10000000, sa_nodefer = 0x40000000,
                               sa_resethand = 0x80000000;
inline constexpr int futex_wait = 0 | 128, futex_wake = 1 | 128;
inline constexpr int o_rdonly = 0, o_rdwr = 2, o_cloexec = 02000000, o_nonblock = 04000;
inline constexpr unsigned long clone_vm = 0x100, clone_fs = 0x200, clone_files = 0x400,
                               clone_sighand = 0x800, clone_vfork = 0x4000, clone_thread = 0x10000,
                               clone_sysvsem = 0x40000, clone_settls = 0x80000,
                               clone_parent_settid = 0x100000, clone_child_cleartid = 0x200000,
                               clone_child_settid = 0x1000000;

/// The kernel's struct sigaction for x86-64 (not glibc's).
struct SigAction {
    std::uint64_t handler;
    std::uint64_t flags;
    std::uint64_t restorer;
    std::uint64_t mask;
};

struct StackT {
    std::uint64_t sp;
    std::int32_t flags;
    std::int32_t pad;
    std::uint64_t size;
};
inline constexpr int ss_onstack = 1, ss_disable = 2;

/// The kernel's struct ucontext of x86-64 as it lies in a signal frame
/// (arch/x86/include/uapi/asm/sigcontext.h, Linux 6.1). gregs are in the kernel's order.
struct UContext {
    std::uint64_t flags;
    std::uint64_t link;
    StackT stack;
    std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
        eflags;
    std::uint16_t cs, gs, fs, ss;
    std::uint64_t err, trapno, oldmask, cr2;
    std::uint64_t fpstate;
    std::uint64_t reserved[8];
    std::uint64_t sigmask;
};
static_assert(offsetof(UContext, rip) == 168);
static_assert(offsetof(UContext, rsp) == 160);

struct SigInfo {
    std::int32_t signo;
    std::int32_t error;
    std::int32_t code;
    std::int32_t pad;
    union {
        struct {
            std::uint64_t call_address;
            std::int32_t number;
            std::uint32_t arch;
        } sys;
        struct {
            std::int32_t pid;
            std::uint32_t uid;
            std::uint64_t value;
        } queued;
        std::uint64_t address;
        std::uint8_t bytes[112];
    };
};
static_assert(sizeof(SigInfo) == 128);

/// struct iovec and struct msghdr.
struct IoVec {
    const void* base;
    std::size_t length;
};
struct MsgHeader {
    void* name;
    std::uint32_t name_length;
    IoVec* vectors;
    std::size_t count;
    void* control;
    std::size_t control_length;
    std::int32_t flags;
};

inline long write_all(int fd, const void* data, std::size_t size) {
    auto at = reinterpret_cast<long>(data);
    while (size > 0) {
        const long n = call(__NR_write, fd, at, static_cast<long>(size));
        if (n == -e_intr) continue;
        if (n <= 0) return n == 0 ? -e_badf : n;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return 0;
}

/// 0, or -errno; -e_badf where the other side closed.
inline long read_all(int fd, void* data, std::size_t size) {
    auto at = reinterpret_cast<long>(data);
    while (size > 0) {
        const long n = call(__NR_read, fd, at, static_cast<long>(size));
        if (n == -e_intr) continue;
        if (n <= 0) return n == 0 ? -e_badf : n;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return 0;
}

}  // namespace holon::ssi::sys
