// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/own_memory.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "plugins/os/error.h"
#include "ssi/control/control.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::daemon {
namespace {

// While it lives, this thread has not CAP_SYS_ADMIN. Whoever reads a pagemap gets the numbers of
// the machine's page frames if the one who opened it had that (pagemap_read, Linux 6.1), and those
// are not for programs.
class WithoutAdmin {
  public:
    WithoutAdmin() {
        call(SYS_capget, before_);
        Sets without = before_;
        without.sets[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
        call(SYS_capset, without);
    }
    ~WithoutAdmin() { ::syscall(SYS_capset, &before_.header, before_.sets); }
    WithoutAdmin(const WithoutAdmin&) = delete;
    WithoutAdmin& operator=(const WithoutAdmin&) = delete;

  private:
    struct Sets {
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    };
    Sets before_;

    static void call(long number, Sets& sets) {
        if (::syscall(number, &sets.header, sets.sets) != 0)
            throw Error("capabilities: {}", errno_text());
    }
};

}  // namespace

os::Fd open_memory_of(pid_t pid, unsigned which, std::string_view proof) {
    const WithoutAdmin without_admin;
    const std::string folder = "/proc/" + std::to_string(pid);
    const os::Fd process(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto open = [&](const char* name) {
        return os::Fd(::openat(process.get(), name, O_RDONLY | O_CLOEXEC));
    };
    // The proof is looked for last: it is gone from memory that belongs to another program by then.
    os::Fd map = which == 0 ? os::Fd() : open("pagemap");
    os::Fd memory = open("mem");
    char there[own_memory_proof] = {};
    constexpr auto place = layout::parameters + offsetof(Parameters, proof);
    if (proof.size() != sizeof there ||
        std::all_of(proof.begin(), proof.end(), [](char byte) { return byte == 0; }) ||
        ::pread(memory.get(), there, sizeof there, place) != sizeof there ||
        proof != std::string_view(there, sizeof there))
        throw Error("{}: its memory is not the asking process's", folder);
    os::Fd& wanted = which == 0 ? memory : map;
    if (!wanted.valid()) throw Error("{}: its memory cannot be opened", folder);
    return std::move(wanted);
}

}  // namespace holon::ssi::daemon
