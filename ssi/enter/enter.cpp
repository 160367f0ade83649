// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/enter/enter.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "ssi/daemon/client.h"
#include "ssi/enter/filter.h"
#include "ssi/enter/local_socket.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::enter {
namespace {

// Where the daemon puts the views of /proc and /sys. Only root can have it; other users have what
// they were started in.
void own_mounts() {
    if (::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0)
        ::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr);
}

void hand_over(const os::Fd& daemon, const os::Fd& listener, std::uint32_t flags) {
    const daemon::ClientMessage message{.request = daemon::ClientRequest::run, .flags = flags};
    daemon::ClientAnswer answer{};
    if (!send_packet(daemon.get(), {reinterpret_cast<const char*>(&message), sizeof message},
                     listener.get()))
        throw std::runtime_error("ssid is gone");
    const auto packet = receive_packet(daemon.get(), sizeof answer);
    if (!packet || packet->bytes.size() != sizeof answer) throw std::runtime_error("ssid is gone");
    std::memcpy(&answer, packet->bytes.data(), sizeof answer);
    const std::string text(answer.text, ::strnlen(answer.text, sizeof answer.text));
    if (answer.good != 1) throw std::runtime_error(text);
    // It is mapped with the rights of the program: without them all would run at home, unexplained.
    if (!os::Fd(::open(text.c_str(), O_RDONLY | O_CLOEXEC)).valid())
        throw std::runtime_error(text + ": " + std::strerror(errno) +
                                 ": install ssi-runtime where every user can read it");
}

}  // namespace

os::Fd connect_to_daemon(const std::string& partition) {
    os::Fd socket = connect_local(daemon::client_address(partition));
    if (!socket.valid())
        throw std::runtime_error("no ssid of partition " + partition + " runs on this node (" +
                                 std::strerror(errno) + ")");
    // Any user can take an abstract address that is free.
    if (const uid_t uid = credentials_of(socket.get()).uid; uid != 0)
        throw std::runtime_error("what answers as ssid belongs to uid " + std::to_string(uid) +
                                 ", not to root");
    return socket;
}

void enter(const std::string& partition, std::uint32_t flags) {
    const bool threads = (flags & Parameters::home_only) == 0;
    const os::Fd daemon = connect_to_daemon(partition);
    const os::Fd listener = install_filter(threads);
    // Without one this is a program of the engine already, and what it starts is too.
    if (!listener.valid()) return;
    if (threads) own_mounts();
    hand_over(daemon, listener, flags);
}

}  // namespace holon::ssi::enter
