// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "ssi/syscalls/document.h"
#include "ssi/syscalls/table.h"

namespace holon::ssi::syscalls {
namespace {

std::string contents(const std::string& file) {
    std::ifstream stream(file);
    EXPECT_TRUE(stream) << file;
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

TEST(Syscalls, every_number_of_the_systems_header_has_its_row_under_its_name) {
    std::istringstream macros(contents(HOLON_UNISTD_MACROS));
    std::string define, name;
    unsigned number, seen = 0;
    for (std::string line; std::getline(macros, line);) {
        std::istringstream words(line);
        if (!(words >> define >> name >> number) || name.rfind("__NR_", 0) != 0) continue;
        ++seen;
        const Call* call = find(number);
        ASSERT_NE(call, nullptr) << line;
        EXPECT_EQ(call->name, name.substr(5));
    }
    EXPECT_GE(seen, 350u);
}

TEST(Syscalls, the_page_is_what_the_table_prints) {
    EXPECT_EQ(contents(HOLON_SYSCALLS_PAGE), document())
        << "write it anew: ssi-syscalls-document > docs/ssi-syscalls.md";
}

TEST(Syscalls, numbers_outside_the_table_are_not_found) {
    for (std::uint64_t number : {std::uint64_t{337}, std::uint64_t{423}, std::uint64_t{end},
                                 std::uint64_t{1} << 30, std::uint64_t{1} << 32, ~std::uint64_t{0}})
        EXPECT_EQ(find(number), nullptr) << number;
    EXPECT_STREQ(find(0)->name, "read");
    EXPECT_STREQ(find(435)->name, "clone3");
}

TEST(Syscalls, what_changes_every_node_is_never_left_to_the_kernel_at_home) {
    for (const Call& call : rows::table)
        if (call.what == Class::every_node) {
            EXPECT_NE(call.at_home, Trap::native) << call.name;
        }
}

TEST(Syscalls, what_is_done_on_both_sides_is_trapped_at_home) {
    for (const Call& call : rows::table)
        if (call.what == Class::both) {
            EXPECT_NE(call.at_home, Trap::native) << call.name;
        }
}

TEST(Syscalls, only_refused_calls_have_an_answer_and_all_of_them_have_one) {
    for (const Call& call : rows::table)
        EXPECT_EQ(call.what == Class::refuse, call.answer != Answer::none) << call.name;
}

// What pins must be seen before the process is armed: afterwards it is too late to know that it was
// made. The two that need a descriptor of a call that pins are the exception.
TEST(Syscalls, what_pins_is_trapped_from_the_start) {
    for (const Call& call : rows::table) {
        const std::string_view name = call.name;
        if (call.answer == Answer::pin && name != "io_uring_enter" && name != "io_uring_register") {
            EXPECT_EQ(call.at_home, Trap::always) << call.name;
        }
    }
}

// The kernel is left to refuse a call at home only where it does so itself.
TEST(Syscalls, refused_calls_left_native_are_refused_by_this_kernel) {
    for (const Call& call : rows::table) {
        if (call.what != Class::refuse || call.at_home != Trap::native) continue;
        EXPECT_EQ(call.answer, Answer::not_there) << call.name;
        if (call.number == 335 || call.number == 336) continue;  // SIGILL where they exist
        errno = 0;
        EXPECT_EQ(syscall(call.number, 0, 0, 0, 0, 0, 0), -1) << call.name;
        EXPECT_THAT(errno, testing::AnyOf(ENOSYS, EPERM)) << call.name;  // EPERM: a sandbox
    }
}

TEST(Syscalls, a_condition_narrows_a_trap_and_names_an_argument) {
    for (const Call& call : rows::table) {
        if (call.only_if == Call::any) continue;
        EXPECT_NE(call.at_home, Trap::native) << call.name;
        EXPECT_LT(call.only_if, 6) << call.name;
    }
}

TEST(Syscalls, calls_answered_in_the_body_do_not_wait_for_anything_at_home) {
    for (const Call& call : rows::table)
        if (call.what == Class::here && call.number != SYS_getrandom) {
            EXPECT_EQ(call.restart, Restart::no) << call.name;
        }
}

TEST(Syscalls, carried_arguments_exist_and_are_carried_once) {
    for (const Call& call : rows::table) {
        std::set<int> carried;
        bool ended = false;
        for (const Bytes& bytes : call.bytes) {
            if (bytes.kind == Bytes::nothing) {
                ended = true;
                continue;
            }
            EXPECT_FALSE(ended) << call.name;
            EXPECT_LT(bytes.argument, 6) << call.name;
            EXPECT_TRUE(carried.insert(bytes.argument).second) << call.name;
            switch (bytes.kind) {
                case Bytes::in:
                case Bytes::out:
                case Bytes::out_all:
                case Bytes::iovec_in:
                case Bytes::iovec_out:
                case Bytes::array:
                case Bytes::address:
                    EXPECT_LT(bytes.size, 6) << call.name;
                    EXPECT_NE(bytes.size, bytes.argument) << call.name;
                    break;
                case Bytes::in_fixed:
                case Bytes::out_fixed:
                case Bytes::both_fixed:
                    EXPECT_GE(bytes.size, 4) << call.name;
                    break;
                default:
                    EXPECT_EQ(bytes.size, 0) << call.name;
            }
        }
    }
}

TEST(Syscalls, every_row_says_why_and_no_name_comes_twice) {
    std::set<std::string> names;
    for (const Call& call : rows::table) {
        EXPECT_TRUE(names.insert(call.name).second) << call.name;
        EXPECT_STRNE(call.why, "") << call.name;
        EXPECT_EQ(std::string(call.why).find('|'), std::string::npos) << call.name;
    }
}

TEST(Syscalls, a_futex_wait_restarts_by_its_time_out_and_a_pi_lock_always) {
    const Call& futex = *find(SYS_futex);
    EXPECT_EQ(restart_of(futex, {0, 128, 0, 0, 0, 0}), Restart::sa_restart);
    EXPECT_EQ(restart_of(futex, {0, 128 | 256 | 9, 0, 0x1000, 0, 0}), Restart::rest);
    EXPECT_EQ(restart_of(futex, {0, 6, 0, 0, 0, 0}), Restart::repeats);
    EXPECT_EQ(restart_of(futex, {0, 1, 0, 0, 0, 0}), Restart::no);
}

TEST(Syscalls, an_absolute_sleep_is_repeated_as_it_was) {
    const Call& sleep = *find(SYS_clock_nanosleep);
    EXPECT_EQ(restart_of(sleep, {0, 0, 0, 0, 0, 0}), Restart::rest);
    EXPECT_EQ(restart_of(sleep, {0, 1, 0, 0, 0, 0}), Restart::handler);
}

}  // namespace
}  // namespace holon::ssi::syscalls
