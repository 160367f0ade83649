// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/enter/filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <cstring>

#include "ssi/runtime/layout.h"

namespace holon::ssi::enter {
namespace {

constexpr std::uint64_t program_code = 0x5555'5555'1234;
constexpr std::uint64_t runtime_code = layout::image + 0x100;

struct Verdict {
    std::uint32_t action;
    bool by_number_alone;  // what the kernel keeps in its bitmap
};

// As the kernel's interpreter has it, for the instructions that the filter uses.
Verdict ask(const std::vector<sock_filter>& filter, seccomp_data call) {
    Verdict verdict{0, true};
    std::uint32_t a = 0;
    for (std::size_t at = 0; at < filter.size(); ++at) {
        const sock_filter& step = filter[at];
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                EXPECT_LE(step.k + 4, sizeof call);
                std::memcpy(&a, reinterpret_cast<const char*>(&call) + step.k, sizeof a);
                if (step.k > 4) verdict.by_number_alone = false;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                at += a == step.k ? step.jt : step.jf;
                break;
            case BPF_JMP | BPF_JSET | BPF_K:
                at += (a & step.k) != 0 ? step.jt : step.jf;
                break;
            case BPF_RET | BPF_K:
                verdict.action = step.k;
                return verdict;
            default:
                ADD_FAILURE() << "instruction " << step.code;
                return verdict;
        }
    }
    ADD_FAILURE() << "the filter has no end";
    return verdict;
}

std::uint32_t action_of(int number, std::uint64_t argument = 0, std::uint64_t from = program_code,
                        bool threads = true) {
    return ask(make_filter(threads), {number, AUDIT_ARCH_X86_64, from, {argument}}).action;
}

constexpr std::uint32_t absent = SECCOMP_RET_ERRNO | ENOSYS;

TEST(Filter, ExecIsToldOf) {
    EXPECT_EQ(action_of(SYS_execve), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(action_of(SYS_execveat), SECCOMP_RET_USER_NOTIF);
}

TEST(Filter, TheCpusAskedForAreToldOf) {
    for (int number : {SYS_sched_getaffinity, SYS_sched_setaffinity}) {
        EXPECT_EQ(action_of(number), SECCOMP_RET_USER_NOTIF);
        EXPECT_EQ(action_of(number, 0, runtime_code), SECCOMP_RET_ALLOW);
    }
}

TEST(Filter, AWaitIsToldOfWhereItAsksWhatTheChildHasUsed) {
    const auto wait = [](int number, unsigned place, std::uint64_t usage, std::uint64_t from,
                         bool threads) {
        seccomp_data call{number, AUDIT_ARCH_X86_64, from, {1, 1, 1, 1, 1, 1}};
        call.args[place] = usage;
        return ask(make_filter(threads), call).action;
    };
    for (const auto& [number, place] : {std::pair{SYS_wait4, 3U}, std::pair{SYS_waitid, 4U}}) {
        EXPECT_EQ(wait(number, place, 0, program_code, true), SECCOMP_RET_ALLOW);
        for (const std::uint64_t usage : {0x7ffe'0000'1000ULL, 0x7ffe'0000'0000ULL, 0x60'0000ULL}) {
            EXPECT_EQ(wait(number, place, usage, program_code, true), SECCOMP_RET_USER_NOTIF);
            EXPECT_EQ(wait(number, place, usage, runtime_code, true), SECCOMP_RET_ALLOW);
            EXPECT_EQ(wait(number, place, usage, program_code, false), SECCOMP_RET_ALLOW);
        }
    }
}

TEST(Filter, WhoBeginsToTraceAProcessIsToldOfAndNothingElseOfTracing) {
    for (const bool threads : {true, false}) {
        for (const auto request : {PTRACE_ATTACH, PTRACE_SEIZE})
            EXPECT_EQ(action_of(SYS_ptrace, request, program_code, threads),
                      SECCOMP_RET_USER_NOTIF);
        for (const auto request : {PTRACE_TRACEME, PTRACE_PEEKDATA, PTRACE_CONT})
            EXPECT_EQ(action_of(SYS_ptrace, request, program_code, threads), SECCOMP_RET_ALLOW);
    }
}

TEST(Filter, WhatNeverLeavesHomeHasTheCpusOfHome) {
    for (int number : {SYS_sched_getaffinity, SYS_sched_setaffinity})
        EXPECT_EQ(action_of(number, 0, program_code, false), SECCOMP_RET_ALLOW);
}

TEST(Filter, ExecOf32BitProgramsIsToldOf) {
    for (int number : {11, 358})
        EXPECT_EQ(ask(make_filter(true), {number, AUDIT_ARCH_I386, 0x8048000, {}}).action,
                  SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(ask(make_filter(true), {59, AUDIT_ARCH_I386, 0x8048000, {}}).action,
              SECCOMP_RET_ALLOW);
}

TEST(Filter, AThreadIsToldOfAndAProcessIsNot) {
    EXPECT_EQ(action_of(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND),
              SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(action_of(SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
    EXPECT_EQ(action_of(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD), SECCOMP_RET_ALLOW);
}

TEST(Filter, ThreadsThatStayAtHomeAreNotToldOf) {
    EXPECT_EQ(action_of(SYS_clone, CLONE_VM | CLONE_THREAD, program_code, false),
              SECCOMP_RET_ALLOW);
}

TEST(Filter, WhatTheEngineCannotCarryDoesNotExist) {
    EXPECT_EQ(action_of(SYS_clone3), absent);
    EXPECT_EQ(action_of(SYS_rseq), absent);
    EXPECT_EQ(action_of(SYS_io_uring_setup), absent);
}

TEST(Filter, TheRuntimeMayDoAll) {
    for (int number : {SYS_execve, SYS_execveat, SYS_clone3, SYS_rseq, SYS_io_uring_setup})
        EXPECT_EQ(action_of(number, 0, runtime_code), SECCOMP_RET_ALLOW) << number;
    EXPECT_EQ(action_of(SYS_clone, CLONE_THREAD, runtime_code), SECCOMP_RET_ALLOW);
    EXPECT_EQ(action_of(SYS_rt_sigaction, SIGSYS, runtime_code), SECCOMP_RET_ALLOW);
}

TEST(Filter, WhatLiesBesideTheRuntimesRangeIsAProgram) {
    EXPECT_EQ(action_of(SYS_execve, 0, layout::range_begin - 1), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(action_of(SYS_execve, 0, layout::range_end), SECCOMP_RET_USER_NOTIF);
    EXPECT_EQ(action_of(SYS_execve, 0, layout::range_end - 1), SECCOMP_RET_ALLOW);
}

TEST(Filter, AllOtherCallsAreAllowedByTheirNumberAlone) {
    for (int number : {SYS_read, SYS_openat, SYS_mmap, SYS_futex, SYS_clock_nanosleep, SYS_ioctl}) {
        const Verdict verdict = ask(make_filter(true), {number, AUDIT_ARCH_X86_64, 0, {}});
        EXPECT_EQ(verdict.action, SECCOMP_RET_ALLOW) << number;
        EXPECT_TRUE(verdict.by_number_alone) << number;
    }
}

}  // namespace
}  // namespace holon::ssi::enter
