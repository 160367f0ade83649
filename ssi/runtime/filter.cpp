// SPDX-License-Identifier: GPL-2.0-or-later
//
// The number is tested before anything else, so that the kernel can tell from the filter alone that
// all other calls are allowed and skips it for them (seccomp's action cache, Linux 5.11).
#include "ssi/runtime/filter.h"

#include "ssi/runtime/layout.h"
#include "ssi/runtime/sys.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <initializer_list>

namespace holon::ssi {
namespace {

constexpr long trapped[] = {
    __NR_mmap,
    __NR_munmap,
    __NR_mprotect,
    __NR_mremap,
    __NR_brk,
    __NR_madvise,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
    __NR_clone,
    __NR_fork,
    __NR_vfork,
    __NR_exit,
    __NR_exit_group,
    __NR_set_tid_address,
    __NR_set_robust_list,
    __NR_close_range,
    __NR_shmat,
    __NR_remap_file_pages,
    __NR_pkey_mprotect,
    __NR_mlockall,
    __NR_mlock,
    __NR_mlock2,
    __NR_sched_getaffinity,
    __NR_sched_setaffinity,
    __NR_getrusage,
    __NR_times,
    // What pins (ssi/syscalls): the threads come home first.
    __NR_modify_ldt,
    __NR_iopl,
    __NR_ioperm,
    __NR_io_setup,
    __NR_unshare,
    __NR_setns,
    __NR_seccomp,
    __NR_userfaultfd,
    __NR_vmsplice,
};

/// Operations of futexes in which the kernel writes to the word; it cannot wait for a page that is
/// elsewhere: WAKE_OP, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_REQUEUE_PI, CMP_REQUEUE_PI, LOCK_PI2.
constexpr std::uint32_t writing_futex[] = {5, 6, 7, 8, 11, 12, 13};
constexpr std::uint32_t futex_operation = 0x7f;  // without PRIVATE and CLOCK_REALTIME

/// Closing or replacing a descriptor from here on may hit one of the runtime's (descriptors.cpp).
constexpr std::uint32_t high_descriptor = 512;

/// The kernel then writes to pages that it holds, past the write protection: pins.
constexpr std::uint32_t o_direct = 040000;

/// A number no kernel has: answered by the filter itself, to tell that it is in force.
constexpr std::uint32_t probe = 0x6000;

/// Where a test leads: places later in the program.
enum Place : std::uint8_t {
    next,
    futex,
    clock,
    first_argument,
    second_argument,
    fourth_pointer,
    fifth_pointer,
    open_flags,
    caller,
    places
};

/// The program under construction. Jumps name places; a place is where its first step is.
class Program {
  public:
    void load(std::size_t offset) {
        add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
    }
    void mask(std::uint32_t value) { add(BPF_ALU | BPF_AND | BPF_K, value); }
    void give(std::uint32_t action) { add(BPF_RET | BPF_K, action); }
    void equal(std::uint32_t value, Place yes) { add(BPF_JMP | BPF_JEQ | BPF_K, value, yes); }
    void at_least(std::uint32_t value, Place yes) { add(BPF_JMP | BPF_JGE | BPF_K, value, yes); }
    void any_of(std::uint32_t bits, Place yes) { add(BPF_JMP | BPF_JSET | BPF_K, bits, yes); }
    /// The next step is done only if the value is this.
    void if_equal(std::uint32_t value) {
        add(BPF_JMP | BPF_JEQ | BPF_K, value);
        steps_[size_ - 1].jf = 1;
    }
    void here(Place place) { at_[place] = size_; }

    sock_fprog finish() {
        for (std::size_t i = 0; i < size_; ++i)
            if (leads_[i] != next) steps_[i].jt = static_cast<std::uint8_t>(at_[leads_[i]] - i - 1);
        return {static_cast<unsigned short>(size_), steps_};
    }

  private:
    void add(std::uint16_t code, std::uint32_t k, Place yes = next) {
        leads_[size_] = yes;
        steps_[size_++] = sock_filter{code, 0, 0, k};
    }

    static constexpr std::size_t capacity = 128;
    sock_filter steps_[capacity];
    Place leads_[capacity];
    std::size_t at_[places];
    std::size_t size_ = 0;
};

constexpr std::size_t upper = 4;  // of a 64-bit field

}  // namespace

bool install_filter() {
    if (sys::call(probe) == -sys::e_exist) return true;
    Program program;
    program.load(offsetof(seccomp_data, nr));
    for (const long number : trapped) program.equal(static_cast<std::uint32_t>(number), caller);
    program.equal(__NR_futex, futex);
    program.equal(__NR_clock_gettime, clock);
    program.equal(__NR_close, first_argument);
    program.equal(__NR_openat, open_flags);
    program.equal(__NR_dup2, second_argument);
    program.equal(__NR_dup3, second_argument);
    program.equal(__NR_wait4, fourth_pointer);
    program.equal(__NR_waitid, fifth_pointer);
    program.if_equal(probe);
    program.give(SECCOMP_RET_ERRNO | sys::e_exist);
    program.give(SECCOMP_RET_ALLOW);

    program.here(futex);
    program.load(offsetof(seccomp_data, args) + 8);
    program.mask(futex_operation);
    for (const std::uint32_t operation : writing_futex) program.equal(operation, caller);
    program.give(SECCOMP_RET_ALLOW);

    // CPU time: of the process, of the thread, and by a process's or thread's number.
    program.here(clock);
    program.load(offsetof(seccomp_data, args));
    program.equal(2, caller);
    program.equal(3, caller);
    program.at_least(1U << 31, caller);
    program.give(SECCOMP_RET_ALLOW);

    program.here(first_argument);
    program.load(offsetof(seccomp_data, args));
    program.at_least(high_descriptor, caller);
    program.give(SECCOMP_RET_ALLOW);

    // What a child has used is asked for.
    for (const std::size_t argument : {3, 4}) {
        program.here(argument == 3 ? fourth_pointer : fifth_pointer);
        program.load(offsetof(seccomp_data, args) + argument * 8);
        program.at_least(1, caller);
        program.load(offsetof(seccomp_data, args) + argument * 8 + upper);
        program.at_least(1, caller);
        program.give(SECCOMP_RET_ALLOW);
    }

    program.here(open_flags);
    program.load(offsetof(seccomp_data, args) + 16);
    program.any_of(o_direct, caller);
    program.give(SECCOMP_RET_ALLOW);

    program.here(second_argument);
    program.load(offsetof(seccomp_data, args) + 8);
    program.at_least(high_descriptor, caller);
    program.give(SECCOMP_RET_ALLOW);

    program.here(caller);
    program.load(offsetof(seccomp_data, instruction_pointer) + upper);
    program.if_equal(static_cast<std::uint32_t>(layout::range_begin >> 32));
    program.give(SECCOMP_RET_ALLOW);
    // The loader's, before the runtime is there (ssi/inject/loader.S, LOADER_TOKEN).
    program.load(offsetof(seccomp_data, args) + 4 * 8 + upper);
    program.if_equal(static_cast<std::uint32_t>(layout::range_begin >> 32));
    program.give(SECCOMP_RET_ALLOW);
    program.give(SECCOMP_RET_TRAP);

    const sock_fprog whole = program.finish();
    // no_new_privs was set when the program came under the engine.
    return sys::call_with(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) == 0;
}

}  // namespace holon::ssi
