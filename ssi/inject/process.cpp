// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/process.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "plugins/os/fd.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::inject {
namespace {

// The first bytes of /proc/PID/NAME, zero-terminated.
template <std::size_t size>
bool read_proc(pid_t process, const char* name, char (&into)[size]) {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/%d/%s", process, name);
    const os::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    const ssize_t count = file.valid() ? ::read(file.get(), into, size - 1) : -1;
    into[count > 0 ? count : 0] = '\0';
    return count > 0;
}

}  // namespace

bool has_runtime(pid_t process) {
    std::uint64_t magic = 0;
    const iovec local{&magic, sizeof magic};
    const iovec remote{reinterpret_cast<void*>(layout::image), sizeof magic};
    return ::process_vm_readv(process, &local, 1, &remote, 1, 0) == sizeof magic &&
           magic == runtime_magic;
}

bool page_is_clean(pid_t process, std::uint64_t address) {
    char path[48];
    std::snprintf(path, sizeof path, "/proc/%d/pagemap", process);
    const os::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    std::uint64_t entry = 0;
    constexpr std::uint64_t present = 1ull << 63, swapped = 1ull << 62, of_file = 1ull << 61;
    return file.valid() &&
           ::pread(file.get(), &entry, sizeof entry,
                   static_cast<off_t>(address / layout::page_size * sizeof entry)) ==
               sizeof entry &&
           ((entry & (present | swapped)) == 0 || (entry & of_file) != 0);
}

pid_t process_of(pid_t task) {
    char text[1024];
    if (!read_proc(task, "status", text)) return 0;
    const char* line = std::strstr(text, "\nTgid:");
    return line == nullptr ? 0 : static_cast<pid_t>(std::strtol(line + 6, nullptr, 10));
}

std::uint64_t start_time(pid_t process) {
    char text[1024];
    if (!read_proc(process, "stat", text)) return 0;
    // The name in parentheses may hold anything; field 22 is the 20th behind the last of them.
    const char* at = std::strrchr(text, ')');
    for (int field = 2; at != nullptr && field < 22; ++field) at = std::strchr(at + 1, ' ');
    return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}

}  // namespace holon::ssi::inject
