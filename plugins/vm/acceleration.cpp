// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"
#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

constexpr auto patience = std::chrono::seconds(8);

// What the kernel says when it has come up and finds no root file system. The first console lines
// would not do: a machine that only emulates the guest's kernel code prints some, and hangs.
constexpr std::string_view came_up = "Unable to mount root fs";

std::string last_line(std::string text) {
    text.erase(text.find_last_not_of(" \r\n") + 1);
    return text.substr(text.find_last_of('\n') + 1);  // npos + 1 is 0: the only line
}

// Boots KERNEL without anything else; true when it came up.
Acceleration boot_once(const std::filesystem::path& kernel, gid_t device_group) {
    int pipe_fds[2];
    if (::pipe2(pipe_fds, O_CLOEXEC) != 0) throw Error("pipe: {}", errno_text());
    os::Fd output(pipe_fds[0]), input(pipe_fds[1]);
    std::string kernel_path = kernel.string();
    auto start = std::chrono::steady_clock::now();
    pid_t child = ::fork();
    if (child < 0) throw Error("fork: {}", errno_text());
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = ::open("/dev/null", O_RDWR);
        ::dup2(null, 0);
        ::dup2(input.get(), 1);
        ::dup2(input.get(), 2);
        ::syscall(SYS_close_range, 3u, ~0u, 0u);
        // As nobody, with the device's group: a probe needs no more rights than a job.
        if (::syscall(SYS_setgroups, 1, &device_group) != 0 ||
            ::syscall(SYS_setresgid, 65534, 65534, 65534) != 0 ||
            ::syscall(SYS_setresuid, 65534, 65534, 65534) != 0)
            ::_exit(126);
        ::execlp("qemu-system-x86_64", "qemu-system-x86_64", "-accel", "kvm", "-cpu", "host",
                 "-nodefaults", "-display", "none", "-no-reboot", "-m", "256", "-serial", "stdio",
                 "-monitor", "none", "-kernel", kernel_path.c_str(), "-append",
                 "console=ttyS0 panic=0", static_cast<char*>(nullptr));
        ::_exit(127);
    }
    input.reset();
    Acceleration result;
    std::string said;
    bool spoke = false, ended = false;
    while (!spoke) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            start + patience - std::chrono::steady_clock::now());
        pollfd readable{output.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0) break;
        char part[4096];
        const ssize_t size = ::read(output.get(), part, sizeof part);
        if (size <= 0) {
            ended = true;
            break;
        }
        said.append(part, static_cast<size_t>(size));
        spoke = said.find(came_up) != said.npos;
    }
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    result.kvm = spoke;
    if (spoke)
        result.reason = fmt::format("a stock kernel booted under KVM in {:.1f} s", took.count());
    else if (ended)
        result.reason =
            fmt::format("/dev/kvm is there, but QEMU as an ordinary user of its group ended: {}",
                        last_line(said));
    else
        result.reason = fmt::format(
            "/dev/kvm is there, but a stock kernel did not come up within {} s", patience.count());
    return result;
}

std::string identity(const struct stat& device, const std::filesystem::path& kernel) {
    struct stat kernel_file {};
    ::stat(kernel.c_str(), &kernel_file);
    return fmt::format("{} {}:{}:{:o} {} {}", os::read_file("/proc/sys/kernel/random/boot_id"),
                       device.st_rdev, device.st_gid, device.st_mode, kernel_file.st_size,
                       os::run_checked({"qemu-system-x86_64", "--version"}));
}

}  // namespace

Acceleration probe_acceleration(const std::filesystem::path& kernel,
                                const std::filesystem::path& cache_dir) {
    struct stat device {};
    if (::stat("/dev/kvm", &device) != 0) return {false, "no /dev/kvm"};
    auto cache = cache_dir / "accelerator.json";
    std::string key = identity(device, kernel);
    if (auto text = os::read_file_if_exists(cache)) {
        auto json = nlohmann::json::parse(*text, nullptr, false);
        if (json.is_object() && json.value("key", std::string()) == key)
            return {json.value("kvm", false), json.value("reason", std::string())};
    }
    if (kernel.empty()) return {false, "not tested: no image to test /dev/kvm with"};
    Acceleration result = boot_once(kernel, device.st_gid);
    try {
        std::filesystem::create_directories(cache_dir);
        os::write_file_atomically(
            cache,
            nlohmann::json{{"key", key}, {"kvm", result.kvm}, {"reason", result.reason}}.dump(),
            0644);
    } catch (const std::exception&) {
        // Without a cache the next start tests again.
    }
    return result;
}

}  // namespace holon::vm
