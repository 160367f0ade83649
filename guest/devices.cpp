// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/devices.h"

#include <dirent.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "guest/files.h"

namespace holon::guest {

DeviceEvents::DeviceEvents()
    : socket_(
          ::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT)) {
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1;  // the kernel's own events
    if (!socket_.valid() ||
        ::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
        throw std::system_error(errno, std::generic_category(), "uevent socket");
}

bool DeviceEvents::wait_for(const std::function<bool()>& there, std::chrono::milliseconds limit) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + limit;
    for (;;) {
        // Emptied before looking: an event that comes while we look wakes us. An overflow (ENOBUFS)
        // does too.
        std::array<char, 8192> message{};
        while (::recv(socket_.get(), message.data(), message.size(), 0) > 0 || errno == ENOBUFS)
            errno = 0;
        if (there()) return true;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) return false;
        pollfd waiting{socket_.get(), POLLIN, 0};
        ::poll(&waiting, 1, static_cast<int>(left.count()));
    }
}

std::string find_port(const std::string& name) {
    const std::string base = "/sys/class/virtio-ports/";
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(base.c_str()), ::closedir);
    while (const auto* entry = folder ? ::readdir(folder.get()) : nullptr)
        if (read_file_or_empty(base + entry->d_name + "/name") == name + "\n")
            return std::string("/dev/") + entry->d_name;
    return {};
}

}  // namespace holon::guest
