// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/own_memory.h"

#include <fcntl.h>
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

os::Fd open_memory_of(pid_t pid, unsigned which, std::string_view proof) {
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
