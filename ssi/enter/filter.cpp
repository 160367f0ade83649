// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/enter/filter.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <system_error>

#include "ssi/runtime/layout.h"

namespace holon::ssi::enter {
namespace {

constexpr std::uint32_t i386_execve = 11;
constexpr std::uint32_t i386_execveat = 358;
constexpr std::uint32_t runtime_high = layout::range_begin >> 32;
static_assert(layout::range_end - layout::range_begin == 1ull << 32);

constexpr std::uint32_t no_such_call = SECCOMP_RET_ERRNO | ENOSYS;

// The places a test can go to; made into distances when the program is complete.
enum class To {
    next,
    allow,
    notify,
    absent,
    from_runtime,
    clone,
    usage,
    wait4,
    waitid,
    action,
    attach,
    i386
};

struct Step {
    std::uint16_t code;
    std::uint32_t value;
    To yes = To::next;
    To no = To::next;
    To label = To::next;  // this step is where that label leads
};

Step load(std::size_t offset) {
    return {BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)};
}
Step equal(std::uint32_t value, To yes, To no = To::next) {
    return {BPF_JMP | BPF_JEQ | BPF_K, value, yes, no};
}
Step give(std::uint32_t action, To label) {
    return {BPF_RET | BPF_K, action, To::next, To::next, label};
}
Step at(To label, Step step) {
    step.label = label;
    return step;
}

std::vector<sock_filter> assemble(const std::vector<Step>& steps) {
    auto distance = [&](std::size_t from, To to) -> std::uint8_t {
        if (to == To::next) return 0;
        for (std::size_t i = from + 1; i < steps.size(); ++i)
            if (steps[i].label == to) return static_cast<std::uint8_t>(i - from - 1);
        throw std::logic_error("the filter has a jump to nowhere");
    };
    std::vector<sock_filter> program;
    for (std::size_t i = 0; i < steps.size(); ++i)
        program.push_back(
            {steps[i].code, distance(i, steps[i].yes), distance(i, steps[i].no), steps[i].value});
    return program;
}

}  // namespace

// Number and architecture come first and alone decide for nearly all calls: what depends on nothing
// else is what the kernel can keep in its bitmap. The instruction pointer is looked at only then.
std::vector<sock_filter> make_filter(bool threads) {
    constexpr std::size_t pointer_high = offsetof(seccomp_data, instruction_pointer) + 4;
    const auto argument = [](std::size_t number) {
        return offsetof(seccomp_data, args) + number * sizeof(std::uint64_t);
    };
    return assemble({
        load(offsetof(seccomp_data, arch)),
        equal(AUDIT_ARCH_X86_64, To::next, To::i386),
        load(offsetof(seccomp_data, nr)),
        equal(SYS_clone, threads ? To::clone : To::allow),
        equal(SYS_execve, To::from_runtime),
        equal(SYS_execveat, To::from_runtime),
        equal(SYS_sched_getaffinity, threads ? To::from_runtime : To::allow),
        equal(SYS_sched_setaffinity, threads ? To::from_runtime : To::allow),
        equal(SYS_getrusage, threads ? To::usage : To::allow),
        equal(SYS_wait4, threads ? To::wait4 : To::allow),
        equal(SYS_waitid, threads ? To::waitid : To::allow),
        equal(SYS_clone3, To::absent),
        equal(SYS_rseq, To::absent),
        equal(SYS_rt_sigaction, To::action),
        equal(SYS_ptrace, To::attach),
        equal(SYS_io_uring_setup, To::absent, To::allow),

        // clone3 keeps its flags in memory, where no filter can look; without it libraries use
        // clone.
        at(To::clone, load(offsetof(seccomp_data, args))),
        {BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, To::from_runtime, To::allow},

        // What children have used on other nodes is known to the daemon.
        at(To::usage, load(offsetof(seccomp_data, args))),
        equal(static_cast<std::uint32_t>(RUSAGE_CHILDREN), To::from_runtime, To::allow),

        // So is what one child has used: where the caller wants to know.
        at(To::wait4, load(argument(3))),
        equal(0, To::next, To::from_runtime),
        load(argument(3) + 4),
        equal(0, To::allow, To::from_runtime),
        at(To::waitid, load(argument(4))),
        equal(0, To::next, To::from_runtime),
        load(argument(4) + 4),
        equal(0, To::allow, To::from_runtime),

        // SIGSYS is how the kernel calls the runtime. Programs that take every signal there is (Go,
        // the JVM) are told that they have this one too.
        at(To::action, load(offsetof(seccomp_data, args))),
        equal(SIGSYS, To::next, To::allow),
        load(pointer_high),
        equal(runtime_high, To::allow),
        {BPF_RET | BPF_K, SECCOMP_RET_ERRNO},

        // Before somebody looks at a process it comes home.
        at(To::attach, load(offsetof(seccomp_data, args))),
        equal(PTRACE_ATTACH, To::notify),
        equal(PTRACE_SEIZE, To::notify, To::allow),

        at(To::i386, equal(AUDIT_ARCH_I386, To::next, To::allow)),
        load(offsetof(seccomp_data, nr)),
        equal(i386_execve, To::notify),
        equal(i386_execveat, To::notify, To::allow),

        at(To::absent, load(pointer_high)),
        {BPF_JMP | BPF_JEQ | BPF_K, runtime_high, To::allow, To::next},
        {BPF_RET | BPF_K, no_such_call},

        at(To::from_runtime, load(pointer_high)),
        equal(runtime_high, To::allow, To::notify),
        give(SECCOMP_RET_ALLOW, To::allow),
        give(SECCOMP_RET_USER_NOTIF, To::notify),
    });
}

os::Fd install_filter(bool threads) {
    std::vector<sock_filter> program = make_filter(threads);
    const sock_fprog given{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot give up new privileges");
    constexpr unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    const long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &given);
    if (listener < 0 && errno == EBUSY) return {};
    if (listener < 0)
        throw std::system_error(errno, std::generic_category(), "the kernel refuses the filter");
    return os::Fd(static_cast<int>(listener));
}

}  // namespace holon::ssi::enter
