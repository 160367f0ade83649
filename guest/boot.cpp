// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/boot.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <vector>

#include "guest/devices.h"
#include "guest/files.h"
#include "guest/log.h"
#include "guest/modules.h"
#include "guest/network.h"
#include "guest/smp.h"
#include "plugins/os/fd.h"

namespace holon::guest {
namespace {

using namespace std::chrono_literals;

bool mount_at(const char* source, const std::string& target, const char* type, unsigned long flags,
              const char* options = nullptr) {
    ::mkdir(target.c_str(), 0755);
    if (::mount(source, target.c_str(), type, flags, options) == 0 || errno == EBUSY) return true;
    log(target + ": cannot mount " + type + ": " + std::strerror(errno));
    return false;
}

// The file systems this kernel has for disks, in its own order, when the command line names none.
std::vector<std::string> disk_file_systems() {
    std::vector<std::string> types;
    const auto text = read_file_or_empty("/proc/filesystems");
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        if (text[start] == '\t') types.push_back(text.substr(start + 1, end - start - 1));
        start = end + 1;
    }
    return types;
}

void mount_root(DeviceEvents& events, const std::string& device, const std::string& type) {
    const auto there = [&] {
        struct stat status {};
        return ::stat(device.c_str(), &status) == 0 && S_ISBLK(status.st_mode);
    };
    if (!events.wait_for(there, 10s))
        throw std::runtime_error("holon.root=" + device + ": no such disk appeared within 10 s");
    ::mkdir("/newroot", 0755);
    int error = ENODEV;
    for (const auto& candidate : type.empty() ? disk_file_systems() : std::vector{type}) {
        if (::mount(device.c_str(), "/newroot", candidate.c_str(), MS_NOATIME, nullptr) == 0)
            return;
        error = errno;
    }
    throw std::system_error(error, std::generic_category(),
                            "holon.root=" + device + ": cannot mount");
}

// Gives the initramfs' memory back. Only what lies on DEVICE is touched, and not what is called
// EXCEPT.
void remove_contents(os::Fd folder, dev_t device, std::string_view except = {}) {
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(folder.get()), ::closedir);
    if (!entries) return;
    const int at = folder.release();
    while (const auto* entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        struct stat status {};
        if (name == "." || name == ".." || name == except ||
            ::fstatat(at, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            status.st_dev != device)
            continue;
        if (S_ISDIR(status.st_mode)) {
            os::Fd inner(
                ::openat(at, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (inner.valid()) remove_contents(std::move(inner), device);
            ::unlinkat(at, entry->d_name, AT_REMOVEDIR);
        } else {
            ::unlinkat(at, entry->d_name, 0);
        }
    }
}

// As switch_root(8): pivot_root does not work from the initramfs.
void switch_root() {
    os::Fd old(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    struct statfs kind {};
    const bool in_memory = ::fstat(old.get(), &status) == 0 && ::fstatfs(old.get(), &kind) == 0 &&
                           (kind.f_type == RAMFS_MAGIC || kind.f_type == TMPFS_MAGIC);
    for (const std::string name : {"/dev", "/proc", "/sys"}) {
        const auto target = "/newroot" + name;
        ::mkdir(target.c_str(), 0755);
        if (::mount(name.c_str(), target.c_str(), nullptr, MS_MOVE, nullptr) < 0)
            throw std::system_error(errno, std::generic_category(),
                                    target + ": cannot move the mount");
    }
    if (::chdir("/newroot") < 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 ||
        ::chroot(".") < 0 || ::chdir("/") < 0)
        throw std::system_error(errno, std::generic_category(),
                                "cannot switch to the root file system");
    // In /holon are this program and what it has kept.
    if (in_memory) remove_contents(std::move(old), status.st_dev, "holon");
}

void mount_the_rest() {
    mount_at("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
    mount_at("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mount_at("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
    mount_at("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    ::mkdir("/run/holon", 0755);
    ::mkdir("/run/lock", 01777);
    ::chmod("/run/lock", 01777);
    ::mkdir("/tmp", 01777);
    ::chmod("/tmp", 01777);
    // What devtmpfs leaves to udev.
    [[maybe_unused]] const int made =
        ::symlink("/proc/self/fd", "/dev/fd") | ::symlink("/proc/self/fd/0", "/dev/stdin") |
        ::symlink("/proc/self/fd/1", "/dev/stdout") | ::symlink("/proc/self/fd/2", "/dev/stderr");
}

}  // namespace

std::string kernel_parameter(const std::string& command_line, const std::string& name) {
    std::string value;
    for (std::size_t start = 0; start < command_line.size();) {
        const auto end = std::min(command_line.find_first_of(" \n", start), command_line.size());
        const auto word = std::string_view(command_line).substr(start, end - start);
        if (word.starts_with(name + "=")) value = word.substr(name.size() + 1);
        start = end + 1;
    }
    return value;
}

void open_console() {
    // The image's build may have put a /dev/console into the initramfs, or not: then 0, 1 and 2 are
    // closed.
    ::mkdir("/dev", 0755);
    ::mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
    int console = ::open("/dev/console", O_RDWR | O_NOCTTY);
    if (console < 0) console = ::open("/dev/null", O_RDWR);
    for (const int standard : {0, 1, 2}) ::dup2(console, standard);
    if (console > 2) ::close(console);
    // A descriptor of its own for the log: O_NONBLOCK must not be seen by others that share the
    // console.
    log_to(::open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
}

void bring_up_system() {
    ::umask(022);
    mount_at("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    mount_at("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    DeviceEvents events;
    load_modules("/holon/modules.load");
    EngineFiles engine;
    engine.keep();
    const auto command_line = read_file_or_empty("/proc/cmdline");
    if (const auto device = kernel_parameter(command_line, "holon.root"); !device.empty()) {
        const auto type = kernel_parameter(command_line, "holon.rootfstype");
        // A kernel that boots with and without a disk (images.user_file_kernel) lists what only a
        // disk needs apart; one made for its disk has everything in modules.load.
        load_modules("/holon/modules.disk");
        if (!type.empty()) load_modules("/holon/modules.disk." + type);
        mount_root(events, device, type);
        switch_root();
    }
    mount_the_rest();
    engine.put();
    bring_up_loopback();
}

}  // namespace holon::guest
