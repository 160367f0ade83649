// SPDX-License-Identifier: GPL-2.0-or-later
//
// The number is tested before anything else, so that the kernel can tell from the filter alone that
// all other calls are allowed and skips it for them (seccomp's action cache, Linux 5.11).
#include "ssi/runtime/filter.h"

#include "ssi/runtime/layout.h"
#include "ssi/runtime/sys.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

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
};
constexpr std::size_t count = sizeof trapped / sizeof *trapped;

/// A number no kernel has: answered by the filter itself, to tell that it is in force.
constexpr unsigned probe = 0x6000;

}  // namespace

bool install_filter() {
    if (sys::call(probe) == -sys::e_exist) return true;
    sock_filter program[count + 8];
    std::size_t n = 0;
    const auto add = [&](std::uint16_t code, std::uint8_t yes, std::uint8_t no, std::uint32_t k) {
        program[n++] = sock_filter{code, yes, no, k};
    };
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr));
    for (std::size_t i = 0; i < count;
         ++i)  // to the test of the instruction pointer, behind the list and two more
        add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint8_t>(count - i - 1 + 3), 0,
            static_cast<std::uint32_t>(trapped[i]));
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, probe);
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | sys::e_exist);
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, instruction_pointer) + 4);
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(layout::range_begin >> 32));
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP);
    const sock_fprog whole{static_cast<unsigned short>(n), program};
    // no_new_privs was set when the program came under the engine.
    return sys::call_with(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) == 0;
}

}  // namespace holon::ssi
