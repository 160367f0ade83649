// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/views.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "plugins/os/error.h"
#include "ssi/daemon/socket.h"
#include "ssi/view/server.h"

namespace holon::ssi::daemon {
namespace {

struct Place {
    const char* from;  // in the server's namespace
    const char* to;
};
constexpr std::array<Place, 5> places{{
    {"/proc/fs/proc/cpuinfo", "/proc/cpuinfo"},
    {"/proc/fs/proc/stat", "/proc/stat"},
    {"/proc/fs/proc/loadavg", "/proc/loadavg"},
    {"/proc/fs/cpu", "/sys/devices/system/cpu"},
    {"/proc/fs/node", "/sys/devices/system/node"},
}};

ino_t identity(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

os::Fd mount_space(const std::string& process) {
    return os::Fd(::open(("/proc/" + process + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC));
}

// In a forked child of a process with threads: system calls only.
int mount_all(int server, int program) {
    std::array<int, places.size()> trees{};
    if (::setns(server, CLONE_NEWNS) != 0) return 1;
    for (std::size_t i = 0; i < places.size(); ++i)
        trees[i] = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, places[i].from,
                                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
    if (::setns(program, CLONE_NEWNS) != 0) return 2;
    for (std::size_t i = 0; i < places.size(); ++i)
        if (::syscall(SYS_move_mount, trees[i], "", AT_FDCWD, places[i].to,
                      MOVE_MOUNT_F_EMPTY_PATH) != 0 &&
            errno != ENOENT)
            return 3;
    return 0;
}

}  // namespace

Views::Views(std::uint32_t home_cpus) {
    int sockets[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return;
    socket_.reset(sockets[0]);
    const os::Fd its(sockets[1]);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setsid();
        const int above = ::fcntl(its.get(), F_DUPFD, 10);
        ::dup2(above, view::server_fd);
        ::syscall(SYS_close_range, view::server_fd + 1, ~0u, 0);
        ::execl("/proc/self/exe", view::server_program, nullptr);
        ::_exit(127);
    }
    pollfd entry{socket_.get(), POLLIN, 0};
    char ready = 0;
    constexpr int patience_ms = 10'000;
    if (pid < 0 || ::poll(&entry, 1, patience_ms) != 1 ||
        ::recv(socket_.get(), &ready, 1, 0) != 1) {
        spdlog::warn("programs see the home's own /proc and /sys: their views cannot be served");
        socket_.reset();
        return;
    }
    space_ = mount_space(std::to_string(pid));
    view::Report home;
    home.cpus = home_cpus;
    tell(0, home);
}

void Views::tell(std::uint32_t node, const view::Report& report) const {
    const std::lock_guard lock(mutex_);
    if (!socket_.valid()) return;
    std::string packet(reinterpret_cast<const char*>(&node), sizeof node);
    packet += view::encode(report);
    // Never wait for the server: a report that finds no room is followed by another.
    ::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Views::give(pid_t process, int socket) const {
    if (!space_.valid()) throw Error("the views are not served");
    const os::Fd program = mount_space(std::to_string(process));
    pollfd entry{socket, POLLRDHUP, 0};
    // It still waits, so its number has been its own.
    if (!program.valid() || ::poll(&entry, 1, 0) != 0) throw Error("the program has gone");
    const os::Fd mine = mount_space("self"), first = mount_space("1");
    if (identity(program.get()) == identity(mine.get()) ||
        identity(program.get()) == identity(first.get()))
        throw Error("the program has no mount namespace of its own");
    const pid_t helper = ::fork();
    if (helper == 0) ::_exit(mount_all(space_.get(), program.get()));
    int status = 0;
    while (helper > 0 && ::waitpid(helper, &status, 0) < 0 && errno == EINTR) {
    }
    if (helper < 0 || status != 0)
        throw Error("the views cannot be mounted (step {})",
                    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

}  // namespace holon::ssi::daemon
