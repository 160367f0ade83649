// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/process.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
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

bool is_writable(pid_t process, std::uint64_t address) {
    char byte = 0;
    const iovec local{&byte, 1};
    const iovec remote{reinterpret_cast<void*>(address), 1};
    return ::process_vm_readv(process, &local, 1, &remote, 1, 0) == 1 &&
           ::process_vm_writev(process, &local, 1, &remote, 1, 0) == 1;
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

bool same_numbers(pid_t task) {
    std::error_code error;
    const auto theirs =
        std::filesystem::read_symlink("/proc/" + std::to_string(task) + "/ns/pid", error);
    return !error && theirs == std::filesystem::read_symlink("/proc/self/ns/pid", error) && !error;
}

pid_t parent_of(pid_t process) {
    char text[1024];
    if (!read_proc(process, "status", text)) return 0;
    const char* line = std::strstr(text, "\nPPid:");
    return line == nullptr ? 0 : static_cast<pid_t>(std::strtol(line + 6, nullptr, 10));
}

std::vector<pid_t> tasks_under_filter() {
    std::vector<pid_t> tasks;
    std::error_code error;
    for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
        if (std::atoi(process.path().filename().c_str()) == 0) continue;
        for (const auto& entry :
             std::filesystem::directory_iterator(process.path() / "task", error)) {
            const auto task = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
            char text[4096];
            if (read_proc(task, "status", text) && std::strstr(text, "\nSeccomp:\t2") != nullptr)
                tasks.push_back(task);
        }
    }
    return tasks;
}

long system_call_of(pid_t task) {
    char text[256];
    if (!read_proc(task, "syscall", text) || text[0] < '0' || text[0] > '9') return -1;
    return std::strtol(text, nullptr, 10);
}

}  // namespace holon::ssi::inject
