// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every system call number of the x86-64 table and what becomes of it when threads of one process
// run on several nodes. This table is code and document at once: the runtime looks calls up in it,
// the filters are made from it, docs/ssi-syscalls.md is printed from it. A number that is not here
// is answered ENOSYS: nothing is forwarded unseen.
//
// Names and numbers up to 470 as of Linux 6.19, 471 as of 7.0; how calls restart: signal(7) and the
// kernel's own return values (ERESTARTSYS and its kin).
#pragma once

#include "ssi/syscalls/call.h"

namespace holon::ssi::syscalls {

namespace rows {

using enum Class;
using enum Trap;
using enum Restart;
using enum Answer;

// Reasons that many rows share.
inline constexpr const char* fds = "descriptors are those of the home process";
inline constexpr const char* paths = "paths are looked up at home";
inline constexpr const char* ids = "credentials are the deputy's";
inline constexpr const char* procs = "processes and their families are at home";
inline constexpr const char* mounts = "file systems are those of home";
inline constexpr const char* ipc = "System V and POSIX IPC is home's";
inline constexpr const char* system_wide = "concerns the machine, and the machine is home";
inline constexpr const char* gone = "no kernel has it any more";
inline constexpr const char* space = "the address space is one on all nodes";

constexpr Bytes in(int pointer, int length) {
    return {Bytes::in, std::uint8_t(pointer), std::uint16_t(length)};
}
constexpr Bytes out(int pointer, int length) {
    return {Bytes::out, std::uint8_t(pointer), std::uint16_t(length)};
}
constexpr Bytes out_all(int pointer, int length) {
    return {Bytes::out_all, std::uint8_t(pointer), std::uint16_t(length)};
}
constexpr Bytes in_fixed(int pointer, int bytes) {
    return {Bytes::in_fixed, std::uint8_t(pointer), std::uint16_t(bytes)};
}
constexpr Bytes out_fixed(int pointer, int bytes) {
    return {Bytes::out_fixed, std::uint8_t(pointer), std::uint16_t(bytes)};
}
constexpr Bytes both_fixed(int pointer, int bytes) {
    return {Bytes::both_fixed, std::uint8_t(pointer), std::uint16_t(bytes)};
}
constexpr Bytes path(int pointer) { return {Bytes::path, std::uint8_t(pointer), 0}; }
constexpr Bytes iovec_in(int pointer, int count) {
    return {Bytes::iovec_in, std::uint8_t(pointer), std::uint16_t(count)};
}
constexpr Bytes iovec_out(int pointer, int count) {
    return {Bytes::iovec_out, std::uint8_t(pointer), std::uint16_t(count)};
}
constexpr Bytes pollfds(int pointer, int count) {
    return {Bytes::array, std::uint8_t(pointer), std::uint16_t(count)};
}
constexpr Bytes events_out(int pointer) { return {Bytes::events_out, std::uint8_t(pointer), 0}; }
constexpr Bytes address(int pointer, int length) {
    return {Bytes::address, std::uint8_t(pointer), std::uint16_t(length)};
}

constexpr Call row(int number, const char* name, Class what, Trap at_home, Restart restart,
                   const char* why, Bytes a = {}, Bytes b = {}, Bytes c = {}) {
    return {std::uint16_t(number), what, at_home, Call::any, restart, none, {a, b, c}, name, why};
}
/// Refused.
constexpr Call row(int number, const char* name, Answer answer, Trap at_home, const char* why) {
    return {std::uint16_t(number), refuse, at_home, Call::any, no, answer, {}, name, why};
}
/// Trapped at home only when `argument` is not 0.
constexpr Call when(int argument, Call call) {
    call.only_if = std::int8_t(argument);
    return call;
}

// clang-format off
inline constexpr Call table[] = {
    row(0, "read", home, native, sa_restart, fds, out(1, 2)),
    row(1, "write", home, native, sa_restart, fds, in(1, 2)),
    row(2, "open", home, native, sa_restart, paths, path(0)),
    row(3, "close", home, armed, eintr, "the runtime's own descriptors, the high ones, are hidden and survive it (EBADF)"),
    row(4, "stat", home, native, no, paths, path(0), out_fixed(1, 144)),
    row(5, "fstat", home, native, no, fds, out_fixed(1, 144)),
    row(6, "lstat", home, native, no, paths, path(0), out_fixed(1, 144)),
    row(7, "poll", home, native, rest, fds, pollfds(0, 1)),
    row(8, "lseek", home, native, no, fds),
    row(9, "mmap", every_node, armed, no, "mapped on every node; what is shared for writing only at home, where threads that touch it go"),
    row(10, "mprotect", every_node, armed, no, "no node may still write when it returns"),
    row(11, "munmap", every_node, armed, no, "no node may still reach it when it returns"),
    row(12, "brk", every_node, armed, no, space),
    row(13, "rt_sigaction", both, armed, no, "the disposition is home's, bodies deliver by it; SIGSYS is kept out of sa_mask"),
    when(1, row(14, "rt_sigprocmask", here, always, no, "the body's mask is kept there and told to home, which chooses who gets a signal; SIGSYS stays unblocked, or the next trapped call would kill")),
    row(15, "rt_sigreturn", both, armed, no, "registers and mask of the body, then the mask at home; SIGSYS is taken out of what the frame restores"),
    row(16, "ioctl", home, native, sa_restart, fds),
    row(17, "pread64", home, native, sa_restart, fds, out(1, 2)),
    row(18, "pwrite64", home, native, sa_restart, fds, in(1, 2)),
    row(19, "readv", home, native, sa_restart, fds, iovec_out(1, 2)),
    row(20, "writev", home, native, sa_restart, fds, iovec_in(1, 2)),
    row(21, "access", home, native, no, paths, path(0)),
    row(22, "pipe", home, native, no, fds, out_fixed(0, 8)),
    row(23, "select", home, native, handler, fds),
    row(24, "sched_yield", here, native, no, "yields the CPU it is on"),
    row(25, "mremap", every_node, armed, no, "emulated: the kernel's own loses the registration with userfaultfd"),
    row(26, "msync", home, native, no, "only files have something to write back, and shared files are home's"),
    row(27, "mincore", home, armed, no, "answered from the directory: a page that any node has is in core"),
    row(28, "madvise", every_node, armed, no, "DONTNEED and its kin empty the pages on every node"),
    row(29, "shmget", home, native, no, ipc),
    row(30, "shmat", pin, always, "memory shared between processes (shared-memory)"),
    row(31, "shmctl", home, native, no, ipc),
    row(32, "dup", home, native, no, fds),
    row(33, "dup2", home, armed, no, "never onto a descriptor of the runtime's"),
    row(34, "pause", home, native, handler, "signals come to the deputy"),
    row(35, "nanosleep", home, native, rest, "the deputy sleeps, so that a signal ends it", in_fixed(0, 16)),
    row(36, "getitimer", home, native, no, "timers run at home", out_fixed(1, 32)),
    row(37, "alarm", home, native, no, "timers run at home"),
    row(38, "setitimer", home, armed, no, "REAL runs at home; VIRTUAL and PROF count the CPU time of all nodes", in_fixed(1, 32), out_fixed(2, 32)),
    row(39, "getpid", here, native, no, "the home process's, known to every body"),
    row(40, "sendfile", home, native, sa_restart, fds),
    row(41, "socket", home, native, no, fds),
    row(42, "connect", home, native, sa_restart, fds, in(1, 2)),
    row(43, "accept", home, native, sa_restart, fds, address(1, 2)),
    row(44, "sendto", home, native, sa_restart, fds, in(1, 2), in(4, 5)),
    row(45, "recvfrom", home, native, sa_restart, fds, out(1, 2), address(4, 5)),
    row(46, "sendmsg", home, native, sa_restart, fds),
    row(47, "recvmsg", home, native, sa_restart, fds),
    row(48, "shutdown", home, native, no, fds),
    row(49, "bind", home, native, no, fds, in(1, 2)),
    row(50, "listen", home, native, no, fds),
    row(51, "getsockname", home, native, no, fds, address(1, 2)),
    row(52, "getpeername", home, native, no, fds, address(1, 2)),
    row(53, "socketpair", home, native, no, fds, out_fixed(3, 8)),
    row(54, "setsockopt", home, native, no, fds, in(3, 4)),
    row(55, "getsockopt", home, native, no, fds),
    row(56, "clone", both, always, repeats, "a thread: a deputy at home and a body where the placer says; else as fork"),
    row(57, "fork", both, armed, repeats, "pages come home first: a child reads zeros for those that are away"),
    row(58, "vfork", both, armed, repeats, "the child runs at home on the parent's memory until it execs"),
    row(59, "execve", both, always, no, "bodies end, then the deputy executes"),
    row(60, "exit", both, armed, no, "the body ends; the deputy clears the TID word and robust list through the DSM"),
    row(61, "wait4", home, native, sa_restart, "children are at home; its rusage has what they used elsewhere, too", both_fixed(1, 4), both_fixed(3, 144)),
    row(62, "kill", home, native, no, procs),
    row(63, "uname", home, native, no, "one machine: home's name", out_fixed(0, 390)),
    row(64, "semget", home, native, no, ipc),
    row(65, "semop", home, native, eintr, ipc),
    row(66, "semctl", home, native, no, ipc),
    row(67, "shmdt", home, armed, no, "only a pinned process has something attached"),
    row(68, "msgget", home, native, no, ipc),
    row(69, "msgsnd", home, native, handler, ipc),
    row(70, "msgrcv", home, native, handler, ipc),
    row(71, "msgctl", home, native, no, ipc),
    row(72, "fcntl", home, native, sa_restart, fds),
    row(73, "flock", home, native, sa_restart, fds),
    row(74, "fsync", home, native, no, fds),
    row(75, "fdatasync", home, native, no, fds),
    row(76, "truncate", home, native, no, paths, path(0)),
    row(77, "ftruncate", home, native, no, fds),
    row(78, "getdents", home, native, no, fds, out(1, 2)),
    row(79, "getcwd", home, native, no, paths, out(0, 1)),
    row(80, "chdir", home, native, no, paths, path(0)),
    row(81, "fchdir", home, native, no, paths),
    row(82, "rename", home, native, no, paths, path(0), path(1)),
    row(83, "mkdir", home, native, no, paths, path(0)),
    row(84, "rmdir", home, native, no, paths, path(0)),
    row(85, "creat", home, native, sa_restart, paths, path(0)),
    row(86, "link", home, native, no, paths, path(0), path(1)),
    row(87, "unlink", home, native, no, paths, path(0)),
    row(88, "symlink", home, native, no, paths, path(0), path(1)),
    row(89, "readlink", home, native, no, paths, path(0), out(1, 2)),
    row(90, "chmod", home, native, no, paths, path(0)),
    row(91, "fchmod", home, native, no, fds),
    row(92, "chown", home, native, no, paths, path(0)),
    row(93, "fchown", home, native, no, fds),
    row(94, "lchown", home, native, no, paths, path(0)),
    row(95, "umask", home, native, no, paths),
    row(96, "gettimeofday", here, native, no, "clocks are local plus the measured offset", out_fixed(0, 16), out_fixed(1, 8)),
    row(97, "getrlimit", home, native, no, "limits are home's", out_fixed(1, 16)),
    row(98, "getrusage", home, always, no, "sums the CPU time of all nodes; without threads only that of children is asked for", out_fixed(1, 144)),
    row(99, "sysinfo", home, armed, no, "the union of what is shown as one machine", out_fixed(0, 112)),
    row(100, "times", home, armed, no, "sums the CPU time of all nodes; of children, too, once there are threads", out_fixed(0, 32)),
    row(101, "ptrace", home, native, no, "the deputy is the tracer; one that is traced is pinned (traced)"),
    row(102, "getuid", home, native, no, ids),
    row(103, "syslog", home, native, sa_restart, system_wide),
    row(104, "getgid", home, native, no, ids),
    row(105, "setuid", home, native, no, ids),
    row(106, "setgid", home, native, no, ids),
    row(107, "geteuid", home, native, no, ids),
    row(108, "getegid", home, native, no, ids),
    row(109, "setpgid", home, native, no, procs),
    row(110, "getppid", home, native, no, procs),
    row(111, "getpgrp", home, native, no, procs),
    row(112, "setsid", home, native, no, procs),
    row(113, "setreuid", home, native, no, ids),
    row(114, "setregid", home, native, no, ids),
    row(115, "getgroups", home, native, no, ids),
    row(116, "setgroups", home, native, no, ids),
    row(117, "setresuid", home, native, no, ids),
    row(118, "getresuid", home, native, no, ids, out_fixed(0, 4), out_fixed(1, 4), out_fixed(2, 4)),
    row(119, "setresgid", home, native, no, ids),
    row(120, "getresgid", home, native, no, ids, out_fixed(0, 4), out_fixed(1, 4), out_fixed(2, 4)),
    row(121, "getpgid", home, native, no, procs),
    row(122, "setfsuid", home, native, no, ids),
    row(123, "setfsgid", home, native, no, ids),
    row(124, "getsid", home, native, no, procs),
    row(125, "capget", home, native, no, ids),
    row(126, "capset", home, native, no, ids),
    row(127, "rt_sigpending", home, native, no, "signals wait at the deputy", out_all(0, 1)),
    row(128, "rt_sigtimedwait", home, native, eintr, "signals come to the deputy", in(0, 3), out_fixed(1, 128), in_fixed(2, 16)),
    row(129, "rt_sigqueueinfo", home, native, no, procs, in_fixed(2, 128)),
    row(130, "rt_sigsuspend", home, armed, handler, "signals come to the deputy; SIGSYS stays unblocked", in(0, 1)),
    row(131, "sigaltstack", here, native, no, "frames are built where the body is"),
    row(132, "utime", home, native, no, paths, path(0), in_fixed(1, 16)),
    row(133, "mknod", home, native, no, paths, path(0)),
    row(134, "uselib", not_there, native, gone),
    row(135, "personality", home, native, no, "concerns what the deputy executes and maps later"),
    row(136, "ustat", home, native, no, mounts, out_fixed(1, 32)),
    row(137, "statfs", home, native, no, mounts, path(0), out_fixed(1, 120)),
    row(138, "fstatfs", home, native, no, mounts, out_fixed(1, 120)),
    row(139, "sysfs", home, native, no, mounts),
    row(140, "getpriority", home, native, no, "as set at home"),
    row(141, "setpriority", both, armed, no, "the deputy's, and the body follows it"),
    row(142, "sched_setparam", both, armed, no, "the deputy's, and the body follows it", in_fixed(1, 4)),
    row(143, "sched_getparam", home, native, no, "as set at home", out_fixed(1, 4)),
    row(144, "sched_setscheduler", both, armed, no, "the deputy's, and the body follows it", in_fixed(2, 4)),
    row(145, "sched_getscheduler", home, native, no, "as set at home"),
    row(146, "sched_get_priority_max", here, native, no, "a constant"),
    row(147, "sched_get_priority_min", here, native, no, "a constant"),
    row(148, "sched_rr_get_interval", home, native, no, "as set at home", out_fixed(1, 16)),
    row(149, "mlock", not_permitted, armed, "pages that are away cannot be held; as for a user whose RLIMIT_MEMLOCK is 0"),
    row(150, "munlock", home, native, no, "what was locked before a thread left is locked at home"),
    row(151, "mlockall", not_permitted, armed, "as mlock"),
    row(152, "munlockall", home, native, no, "as munlock"),
    row(153, "vhangup", home, native, no, system_wide),
    row(154, "modify_ldt", pin, always, "segments of one kernel mean nothing to another (segments)"),
    row(155, "pivot_root", home, native, no, mounts, path(0), path(1)),
    row(156, "_sysctl", not_there, native, gone),
    row(157, "prctl", both, always, no, "names go to both; a seccomp filter of the program's own and PR_SET_MM pin; PR_SET_SYSCALL_USER_DISPATCH is EINVAL"),
    row(158, "arch_prctl", here, native, no, "FS, GS and CPUID faulting of the body; a permission for AMX is asked on every node; shadow stacks are EINVAL"),
    row(159, "adjtimex", home, native, no, system_wide),
    row(160, "setrlimit", home, native, no, "limits are home's; RLIMIT_CPU counts all nodes", in_fixed(1, 16)),
    row(161, "chroot", home, native, no, paths, path(0)),
    row(162, "sync", home, native, no, mounts),
    row(163, "acct", home, native, no, system_wide, path(0)),
    row(164, "settimeofday", home, native, no, system_wide, in_fixed(0, 16), in_fixed(1, 8)),
    row(165, "mount", home, native, no, mounts),
    row(166, "umount2", home, native, no, mounts, path(0)),
    row(167, "swapon", home, native, no, system_wide, path(0)),
    row(168, "swapoff", home, native, no, system_wide, path(0)),
    row(169, "reboot", home, native, no, system_wide),
    row(170, "sethostname", home, native, no, system_wide, in(0, 1)),
    row(171, "setdomainname", home, native, no, system_wide, in(0, 1)),
    row(172, "iopl", pin, always, "ports of one machine (device-map)"),
    row(173, "ioperm", pin, always, "ports of one machine (device-map)"),
    row(174, "create_module", not_there, native, gone),
    row(175, "init_module", home, native, no, system_wide),
    row(176, "delete_module", home, native, no, system_wide, path(0)),
    row(177, "get_kernel_syms", not_there, native, gone),
    row(178, "query_module", not_there, native, gone),
    row(179, "quotactl", home, native, no, mounts),
    row(180, "nfsservctl", not_there, native, gone),
    row(181, "getpmsg", not_there, native, gone),
    row(182, "putpmsg", not_there, native, gone),
    row(183, "afs_syscall", not_there, native, gone),
    row(184, "tuxcall", not_there, native, gone),
    row(185, "security", not_there, native, gone),
    row(186, "gettid", here, native, no, "the deputy's, known to the body"),
    row(187, "readahead", home, native, no, fds),
    row(188, "setxattr", home, native, no, paths, path(0), path(1), in(2, 3)),
    row(189, "lsetxattr", home, native, no, paths, path(0), path(1), in(2, 3)),
    row(190, "fsetxattr", home, native, no, fds, path(1), in(2, 3)),
    row(191, "getxattr", home, native, no, paths, path(0), path(1), out(2, 3)),
    row(192, "lgetxattr", home, native, no, paths, path(0), path(1), out(2, 3)),
    row(193, "fgetxattr", home, native, no, fds, path(1), out(2, 3)),
    row(194, "listxattr", home, native, no, paths, path(0), out(1, 2)),
    row(195, "llistxattr", home, native, no, paths, path(0), out(1, 2)),
    row(196, "flistxattr", home, native, no, fds, out(1, 2)),
    row(197, "removexattr", home, native, no, paths, path(0), path(1)),
    row(198, "lremovexattr", home, native, no, paths, path(0), path(1)),
    row(199, "fremovexattr", home, native, no, fds, path(1)),
    row(200, "tkill", home, native, no, "thread numbers are those of deputies"),
    row(201, "time", here, native, no, "clocks are local plus the measured offset", out_fixed(0, 8)),
    row(202, "futex", home, armed, sa_restart, "one wait queue per word, at home; the owner numbers in PI words are deputies'. Where the kernel writes the word (PI, WAKE_OP) it cannot wait for the page: trapped for these, and the page is fetched first. With a time-out it goes on for the rest, PI locks repeat"),
    row(203, "sched_setaffinity", both, always, no, "virtual CPU numbers: the placer moves the body"),
    row(204, "sched_getaffinity", home, always, no, "virtual CPU numbers: the union of all nodes"),
    row(205, "set_thread_area", not_there, native, "never existed for 64-bit programs"),
    row(206, "io_setup", pin, always, "the kernel writes to pages past write protection (aio)"),
    row(207, "io_destroy", home, native, no, "only a pinned process has a context"),
    row(208, "io_getevents", home, native, eintr, "only a pinned process has a context"),
    row(209, "io_submit", home, native, no, "only a pinned process has a context"),
    row(210, "io_cancel", home, native, no, "only a pinned process has a context"),
    row(211, "get_thread_area", not_there, native, "never existed for 64-bit programs"),
    row(212, "lookup_dcookie", home, native, no, system_wide),
    row(213, "epoll_create", home, native, no, fds),
    row(214, "epoll_ctl_old", not_there, native, gone),
    row(215, "epoll_wait_old", not_there, native, gone),
    row(216, "remap_file_pages", invalid, armed, "only for shared mappings, whose pages have no order of their own here"),
    row(217, "getdents64", home, native, no, fds, out(1, 2)),
    row(218, "set_tid_address", here, always, no, "userfaultfd does not serve the kernel's write at exit: the runtime makes it"),
    row(219, "restart_syscall", home, native, no, "only the kernel uses it: EINTR for a program"),
    row(220, "semtimedop", home, native, eintr, ipc),
    row(221, "fadvise64", home, native, no, fds),
    row(222, "timer_create", home, native, no, "timers run at home; thread numbers are deputies'"),
    row(223, "timer_settime", home, native, no, "timers run at home", in_fixed(2, 32), out_fixed(3, 32)),
    row(224, "timer_gettime", home, native, no, "timers run at home", out_fixed(1, 32)),
    row(225, "timer_getoverrun", home, native, no, "timers run at home"),
    row(226, "timer_delete", home, native, no, "timers run at home"),
    row(227, "clock_settime", home, native, no, system_wide, in_fixed(1, 16)),
    row(228, "clock_gettime", here, armed, no, "local plus the measured offset; clocks of CPU time sum all nodes, at home", out_fixed(1, 16)),
    row(229, "clock_getres", here, native, no, "the same on every node", out_fixed(1, 16)),
    row(230, "clock_nanosleep", home, native, rest, "the deputy sleeps, so that a signal ends it; TIMER_ABSTIME just repeats", in_fixed(2, 16)),
    row(231, "exit_group", both, armed, no, "every body ends, then the home process"),
    row(232, "epoll_wait", home, native, eintr, fds, events_out(1)),
    row(233, "epoll_ctl", home, native, no, fds, in_fixed(3, 12)),
    row(234, "tgkill", home, native, no, "thread numbers are those of deputies"),
    row(235, "utimes", home, native, no, paths, path(0), in_fixed(1, 32)),
    row(236, "vserver", not_there, native, gone),
    row(237, "mbind", home, native, no, "home's own memory; a node that home's kernel has not is EINVAL"),
    row(238, "set_mempolicy", home, native, no, "home's own memory; a node that home's kernel has not is EINVAL"),
    row(239, "get_mempolicy", home, native, no, "home's own memory"),
    row(240, "mq_open", home, native, no, ipc, path(0)),
    row(241, "mq_unlink", home, native, no, ipc, path(0)),
    row(242, "mq_timedsend", home, native, sa_restart, ipc, in(1, 2), in_fixed(4, 16)),
    row(243, "mq_timedreceive", home, native, sa_restart, ipc, out(1, 2), out_fixed(3, 4), in_fixed(4, 16)),
    row(244, "mq_notify", home, native, no, ipc),
    row(245, "mq_getsetattr", home, native, no, ipc, in_fixed(1, 64), out_fixed(2, 64)),
    row(246, "kexec_load", home, native, no, system_wide),
    row(247, "waitid", home, native, sa_restart, "as wait4", both_fixed(2, 128), both_fixed(4, 144)),
    row(248, "add_key", home, native, no, ids),
    row(249, "request_key", home, native, sa_restart, ids),
    row(250, "keyctl", home, native, sa_restart, ids),
    row(251, "ioprio_set", home, native, no, "files are read and written by the deputy"),
    row(252, "ioprio_get", home, native, no, "files are read and written by the deputy"),
    row(253, "inotify_init", home, native, no, fds),
    row(254, "inotify_add_watch", home, native, no, paths, path(1)),
    row(255, "inotify_rm_watch", home, native, no, fds),
    row(256, "migrate_pages", home, native, no, "home's own memory"),
    row(257, "openat", home, native, sa_restart, paths, path(1)),
    row(258, "mkdirat", home, native, no, paths, path(1)),
    row(259, "mknodat", home, native, no, paths, path(1)),
    row(260, "fchownat", home, native, no, paths, path(1)),
    row(261, "futimesat", home, native, no, paths, path(1), in_fixed(2, 32)),
    row(262, "newfstatat", home, native, no, paths, path(1), out_fixed(2, 144)),
    row(263, "unlinkat", home, native, no, paths, path(1)),
    row(264, "renameat", home, native, no, paths, path(1), path(3)),
    row(265, "linkat", home, native, no, paths, path(1), path(3)),
    row(266, "symlinkat", home, native, no, paths, path(0), path(2)),
    row(267, "readlinkat", home, native, no, paths, path(1), out(2, 3)),
    row(268, "fchmodat", home, native, no, paths, path(1)),
    row(269, "faccessat", home, native, no, paths, path(1)),
    when(5, row(270, "pselect6", home, armed, handler, "SIGSYS stays unblocked while it waits")),
    when(3, row(271, "ppoll", home, armed, handler, "SIGSYS stays unblocked while it waits", pollfds(0, 1), both_fixed(2, 16), in(3, 4))),
    row(272, "unshare", pin, always, "a namespace or descriptor table of its own (setns)"),
    row(273, "set_robust_list", here, armed, no, "userfaultfd does not serve the kernel's walk at exit: the runtime makes it"),
    row(274, "get_robust_list", home, armed, no, "answered by the runtime, which keeps the lists", out_fixed(1, 8), out_fixed(2, 8)),
    row(275, "splice", home, native, sa_restart, fds),
    row(276, "tee", home, native, sa_restart, fds),
    row(277, "sync_file_range", home, native, no, fds),
    row(278, "vmsplice", home, armed, sa_restart, "made as readv or writev: no page is lent to a pipe", iovec_in(1, 2)),
    row(279, "move_pages", home, native, no, "home's own memory"),
    row(280, "utimensat", home, native, no, paths, path(1), in_fixed(2, 32)),
    when(4, row(281, "epoll_pwait", home, armed, eintr, "SIGSYS stays unblocked while it waits", events_out(1), in(4, 5))),
    row(282, "signalfd", home, native, no, "signals come to the deputy", in(1, 2)),
    row(283, "timerfd_create", home, native, no, fds),
    row(284, "eventfd", home, native, no, fds),
    row(285, "fallocate", home, native, eintr, fds),
    row(286, "timerfd_settime", home, native, no, fds, in_fixed(2, 32), out_fixed(3, 32)),
    row(287, "timerfd_gettime", home, native, no, fds, out_fixed(1, 32)),
    row(288, "accept4", home, native, sa_restart, fds, address(1, 2)),
    row(289, "signalfd4", home, native, no, "signals come to the deputy", in(1, 2)),
    row(290, "eventfd2", home, native, no, fds),
    row(291, "epoll_create1", home, native, no, fds),
    row(292, "dup3", home, armed, no, "never onto a descriptor of the runtime's"),
    row(293, "pipe2", home, native, no, fds, out_fixed(0, 8)),
    row(294, "inotify_init1", home, native, no, fds),
    row(295, "preadv", home, native, sa_restart, fds, iovec_out(1, 2)),
    row(296, "pwritev", home, native, sa_restart, fds, iovec_in(1, 2)),
    row(297, "rt_tgsigqueueinfo", home, native, no, "thread numbers are those of deputies", in_fixed(3, 128)),
    row(298, "perf_event_open", not_there, armed, "would count the deputy instead of the body"),
    row(299, "recvmmsg", home, native, sa_restart, fds),
    row(300, "fanotify_init", home, native, no, fds),
    row(301, "fanotify_mark", home, native, no, paths, path(4)),
    row(302, "prlimit64", home, native, no, "limits are home's; RLIMIT_CPU counts all nodes", in_fixed(2, 16), out_fixed(3, 16)),
    row(303, "name_to_handle_at", home, native, no, paths),
    row(304, "open_by_handle_at", home, native, no, paths),
    row(305, "clock_adjtime", home, native, no, system_wide),
    row(306, "syncfs", home, native, no, mounts),
    row(307, "sendmmsg", home, native, sa_restart, fds),
    row(308, "setns", pin, always, "a namespace of its own (setns)"),
    row(309, "getcpu", here, native, no, "virtual CPU and node; home's are the first", out_fixed(0, 4), out_fixed(1, 4)),
    row(310, "process_vm_readv", home, native, no, "the kernel's faults on missing pages are served too"),
    row(311, "process_vm_writev", home, native, no, "the kernel's faults on missing pages are served too"),
    row(312, "kcmp", home, native, no, procs),
    row(313, "finit_module", home, native, no, system_wide),
    row(314, "sched_setattr", both, armed, no, "the deputy's, and the body follows it"),
    row(315, "sched_getattr", home, native, no, "as set at home"),
    row(316, "renameat2", home, native, no, paths, path(1), path(3)),
    row(317, "seccomp", pin, always, "a filter of the program's own would also judge the runtime's calls (seccomp)"),
    row(318, "getrandom", here, native, sa_restart, "the kernel there gives as good", out(0, 1)),
    row(319, "memfd_create", home, native, no, "a descriptor; what is mapped shared is used at home", path(0)),
    row(320, "kexec_file_load", home, native, no, system_wide),
    row(321, "bpf", home, native, no, system_wide),
    row(322, "execveat", both, always, no, "bodies end, then the deputy executes"),
    row(323, "userfaultfd", pin, always, "one page can have one pager only (userfaultfd); ENOSYS once armed"),
    row(324, "membarrier", every_node, armed, no, "every running thread of every node has passed a barrier when it returns"),
    row(325, "mlock2", not_permitted, armed, "as mlock"),
    row(326, "copy_file_range", home, native, sa_restart, fds),
    row(327, "preadv2", home, native, sa_restart, fds, iovec_out(1, 2)),
    row(328, "pwritev2", home, native, sa_restart, fds, iovec_in(1, 2)),
    row(329, "pkey_mprotect", every_node, armed, no, "no node may still write when it returns"),
    row(330, "pkey_alloc", every_node, armed, no, "the same key on every node, ENOSPC where one has none"),
    row(331, "pkey_free", every_node, armed, no, "the same key on every node"),
    row(332, "statx", home, native, no, paths, path(1), out_fixed(4, 256)),
    row(333, "io_pgetevents", home, native, eintr, "only a pinned process has a context"),
    row(334, "rseq", not_there, always, "the kernel would write its CPU number into the deputy's copy of a page that is away; C libraries do without"),
    row(335, "uretprobe", not_there, native, "only the kernel's own trampoline may; the kernel answers at home"),
    row(336, "uprobe", not_there, native, "only the kernel's own trampoline may; the kernel answers at home"),

    row(424, "pidfd_send_signal", home, native, no, procs, in_fixed(2, 128)),
    row(425, "io_uring_setup", pin, always, "its rings are shared with the kernel (io_uring)"),
    row(426, "io_uring_enter", pin, armed, "its rings are shared with the kernel (io_uring)"),
    row(427, "io_uring_register", pin, armed, "its rings are shared with the kernel (io_uring)"),
    row(428, "open_tree", home, native, no, mounts, path(1)),
    row(429, "move_mount", home, native, no, mounts, path(1), path(3)),
    row(430, "fsopen", home, native, no, mounts, path(0)),
    row(431, "fsconfig", home, native, no, mounts),
    row(432, "fsmount", home, native, no, mounts),
    row(433, "fspick", home, native, no, mounts, path(1)),
    row(434, "pidfd_open", home, native, no, procs),
    row(435, "clone3", both, always, repeats, "as clone"),
    row(436, "close_range", home, armed, no, "around the runtime's own descriptors"),
    row(437, "openat2", home, native, sa_restart, paths, path(1), in(2, 3)),
    row(438, "pidfd_getfd", home, native, no, fds),
    row(439, "faccessat2", home, native, no, paths, path(1)),
    row(440, "process_madvise", every_node, armed, no, "for the process itself as madvise, for another at home"),
    when(4, row(441, "epoll_pwait2", home, armed, eintr, "SIGSYS stays unblocked while it waits", events_out(1), in_fixed(3, 16), in(4, 5))),
    row(442, "mount_setattr", home, native, no, mounts, path(1), in(3, 4)),
    row(443, "quotactl_fd", home, native, no, mounts),
    row(444, "landlock_create_ruleset", home, native, no, "binds the deputy, who opens the files", in(0, 1)),
    row(445, "landlock_add_rule", home, native, no, "binds the deputy, who opens the files"),
    row(446, "landlock_restrict_self", home, native, no, "binds the deputy, who opens the files"),
    row(447, "memfd_secret", home, native, no, "a descriptor; it can only be mapped shared, and is used at home"),
    row(448, "process_mrelease", home, native, no, procs),
    row(449, "futex_waitv", home, native, sa_restart, "one wait queue per word, at home"),
    row(450, "set_mempolicy_home_node", home, native, no, "home's own memory"),
    row(451, "cachestat", home, native, no, fds, in_fixed(1, 16), out_fixed(2, 40)),
    row(452, "fchmodat2", home, native, no, paths, path(1)),
    row(453, "map_shadow_stack", not_supported, always, "shadow stacks do not move; a kernel that has them off answers this"),
    row(454, "futex_wake", home, native, no, "one wait queue per word, at home"),
    row(455, "futex_wait", home, native, sa_restart, "one wait queue per word, at home", in_fixed(4, 16)),
    row(456, "futex_requeue", home, native, no, "one wait queue per word, at home"),
    row(457, "statmount", home, native, no, mounts),
    row(458, "listmount", home, native, no, mounts),
    row(459, "lsm_get_self_attr", home, native, no, ids),
    row(460, "lsm_set_self_attr", home, native, no, ids, in(1, 2)),
    row(461, "lsm_list_modules", home, native, no, ids),
    row(462, "mseal", every_node, armed, no, "the seal is checked by home, before any node changes"),
    row(463, "setxattrat", home, native, no, paths, path(1), path(3), in(4, 5)),
    row(464, "getxattrat", home, native, no, paths),
    row(465, "listxattrat", home, native, no, paths, path(1), out(3, 4)),
    row(466, "removexattrat", home, native, no, paths, path(1), path(3)),
    row(467, "open_tree_attr", home, native, no, mounts, path(1), in(3, 4)),
    row(468, "file_getattr", home, native, no, paths, path(1), out_all(2, 3)),
    row(469, "file_setattr", home, native, no, paths, path(1), in(2, 3)),
    row(470, "listns", home, native, no, procs),
    row(471, "rseq_slice_yield", not_there, always, "rseq is not there either"),
};
// clang-format on

}  // namespace rows

inline constexpr unsigned old_end = 337;    ///< numbers 0 … 336 are all there
inline constexpr unsigned new_begin = 424;  ///< and those from here to the last
inline constexpr unsigned count = sizeof rows::table / sizeof rows::table[0];
inline constexpr unsigned end = new_begin + (count - old_end);

/// The row of a number; null where there is no such call, which is to be answered ENOSYS. Numbers
/// of the x32 interface (bit 30 set) are not there.
constexpr const Call* find(std::uint64_t number) {
    if (number < old_end) return &rows::table[number];
    if (number >= new_begin && number < end) return &rows::table[old_end + (number - new_begin)];
    return nullptr;
}

consteval bool in_order() {
    for (unsigned i = 0; i < count; ++i)
        if (rows::table[i].number != (i < old_end ? i : new_begin + (i - old_end))) return false;
    return true;
}
static_assert(in_order(), "the rows must be in the order of their numbers, without a gap");

/// How one call restarts: as its row says, but for the three that their arguments decide.
constexpr Restart restart_of(const Call& call, const std::uint64_t (&arguments)[6]) {
    constexpr std::uint64_t timer_abstime = 1;
    constexpr std::uint64_t command_mask =
        0x7f;  // without FUTEX_PRIVATE_FLAG, FUTEX_CLOCK_REALTIME
    if (call.number == 230 && (arguments[1] & timer_abstime) != 0) return Restart::handler;
    if (call.number == 202) {
        switch (arguments[1] & command_mask) {
            case 0:  // FUTEX_WAIT
            case 9:  // FUTEX_WAIT_BITSET
                return arguments[3] != 0 ? Restart::rest : Restart::sa_restart;
            case 6:   // FUTEX_LOCK_PI
            case 11:  // FUTEX_WAIT_REQUEUE_PI
            case 13:  // FUTEX_LOCK_PI2
                return Restart::repeats;
            default:
                return Restart::no;
        }
    }
    return call.restart;
}

}  // namespace holon::ssi::syscalls
