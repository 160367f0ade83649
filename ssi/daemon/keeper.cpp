// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/keeper.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/socket.h"
#include "ssi/inject/injector.h"
#include "ssi/inject/process.h"
#include "ssi/inject/tracee.h"

namespace holon::ssi::daemon {
namespace {

constexpr int daemon_fd = 3;
constexpr int max_listeners = 65536;

// Both directions: a listener and its flags; from the keeper also, last, one without a listener.
struct KeeperMessage {
    std::uint32_t flags;
    std::uint32_t owner;
    std::uint32_t last;
};

bool send(int socket, const KeeperMessage& message, int listener = -1) {
    return send_packet(socket, {reinterpret_cast<const char*>(&message), sizeof message}, listener);
}

// A call that the dead daemon had been told of, and not answered, is told of to nobody again. The
// stop that a tracer asks for takes it back, and it starts anew.
void repeat_waiting_calls() {
    for (const pid_t task : inject::tasks_under_filter()) {
        const long number = inject::system_call_of(task);
        if (number != SYS_execve && number != SYS_execveat && number != SYS_clone &&
            number != SYS_sched_getaffinity && number != SYS_sched_setaffinity &&
            number != SYS_ptrace)
            continue;
        inject::Tracee tracee(task);
        if (tracee.error() != 0) continue;
        tracee.interrupt();
        tracee.wait();
    }
}

class Holder {
  public:
    explicit Holder(const std::string& partition) : door_(listen_local(keeper_address(partition))) {
        daemon_.reset(daemon_fd);
    }

    void run() {
        while (daemon_.valid() || !kept_.empty()) turn();
    }

  private:
    // Waits for what happens next and sees to it.
    void turn() {
        std::vector<pollfd> entries{{door_.get(), POLLIN, 0}, {daemon_.get(), POLLIN, 0}};
        const short calls = daemon_.valid() ? 0 : POLLIN;
        for (const Kept& kept : kept_) entries.push_back({kept.listener.get(), calls, 0});
        if (::poll(entries.data(), entries.size(), -1) < 0) return;
        for (std::size_t i = 2; i < entries.size(); ++i) {
            if ((entries[i].revents & POLLIN) != 0)
                let_go(entries[i].fd);
            else if (entries[i].revents != 0)  // no program is left under it
                kept_[i - 2].listener.reset();
        }
        std::erase_if(kept_, [](const Kept& kept) { return !kept.listener.valid(); });
        if (entries[1].revents != 0) hear_daemon();
        if (entries[0].revents != 0) admit();
    }

    void let_go(int listener) {
        seccomp_notif_sizes sizes{};
        ::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
        std::vector<std::byte> buffer(
            std::max<std::size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)));
        auto* call = reinterpret_cast<seccomp_notif*>(buffer.data());
        if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call) == 0)
            inject::answer_continue(listener, call->id);
    }

    void hear_daemon() {
        auto packet = receive_packet(daemon_.get(), sizeof(KeeperMessage));
        KeeperMessage message;
        if (!packet || packet->bytes.size() != sizeof message) {
            daemon_.reset();
            repeat_waiting_calls();
            return;
        }
        std::memcpy(&message, packet->bytes.data(), sizeof message);
        if (packet->fd.valid() && kept_.size() < max_listeners)
            kept_.push_back({std::move(packet->fd), message.flags, message.owner});
    }

    // A new daemon, known by being root's.
    void admit() {
        os::Fd socket(::accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket.valid() || credentials_of(socket.get()).uid != ::getuid() || daemon_.valid())
            return;
        for (const Kept& kept : kept_)
            if (!send(socket.get(), {kept.flags, kept.owner, 0}, kept.listener.get())) return;
        if (send(socket.get(), {0, 0, 1})) daemon_ = std::move(socket);
    }

    os::Fd door_, daemon_;
    std::vector<Kept> kept_;
};

os::Fd start_keeper(const std::string& partition) {
    int sockets[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        throw Error("no socket for the keeper: {}", errno_text());
    os::Fd ours(sockets[0]);
    const os::Fd its(sockets[1]);
    const pid_t pid = ::fork();
    if (pid < 0) throw Error("cannot start the keeper: {}", errno_text());
    if (pid > 0) return ours;
    ::setsid();
    const int above = ::fcntl(its.get(), F_DUPFD, 10);
    ::dup2(above, daemon_fd);
    ::syscall(SYS_close_range, daemon_fd + 1, ~0u, 0);
    ::execl("/proc/self/exe", keeper_program, partition.c_str(), nullptr);
    ::_exit(127);
}

}  // namespace

Keeper::Keeper(const std::string& partition) {
    socket_ = connect_local(keeper_address(partition));
    if (!socket_.valid()) {
        socket_ = start_keeper(partition);
        return;
    }
    if (credentials_of(socket_.get()).uid != ::getuid())
        throw Error("@{} belongs to another user", keeper_address(partition));
    for (;;) {
        auto packet = receive_packet(socket_.get(), sizeof(KeeperMessage));
        KeeperMessage message;
        if (!packet || packet->bytes.size() != sizeof message)
            throw Error("the keeper of partition {} serves another daemon", partition);
        std::memcpy(&message, packet->bytes.data(), sizeof message);
        if (message.last != 0) return;
        if (packet->fd.valid())
            kept_.push_back({std::move(packet->fd), message.flags, message.owner});
    }
}

bool Keeper::keep(int listener, std::uint32_t flags, uid_t owner) const {
    return send(socket_.get(), {flags, owner, 0}, listener);
}

int run_keeper(const std::string& partition) {
    ::prctl(PR_SET_NAME, keeper_program);
    // It stays when its daemon is told to end: SIGTERM and SIGINT are blocked as they were there.
    ::signal(SIGPIPE, SIG_IGN);
    Holder(partition).run();
    return 0;
}

}  // namespace holon::ssi::daemon
