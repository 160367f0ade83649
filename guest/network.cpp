// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/network.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "guest/files.h"
#include "guest/log.h"
#include "plugins/os/fd.h"

namespace holon::guest {
namespace {

class Interface {
  public:
    explicit Interface(const std::string& name)
        : name_(name), socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        if (!socket_.valid()) throw std::system_error(errno, std::generic_category(), "socket");
        if (name.size() >= sizeof request_.ifr_name)
            throw std::runtime_error(name + ": no interface name");
        std::memcpy(request_.ifr_name, name.c_str(), name.size() + 1);
    }

    void set_address(unsigned long command, in_addr address) {
        sockaddr_in value{};
        value.sin_family = AF_INET;
        value.sin_addr = address;
        std::memcpy(&request_.ifr_addr, &value, sizeof value);
        call(command, "address");
    }

    void set_mtu(int mtu) {
        request_.ifr_mtu = mtu;
        call(SIOCSIFMTU, "mtu");
    }

    void up() {
        call(SIOCGIFFLAGS, "flags");
        request_.ifr_flags = static_cast<short>(request_.ifr_flags | IFF_UP | IFF_RUNNING);
        call(SIOCSIFFLAGS, "up");
    }

  private:
    void call(unsigned long command, const char* what) {
        if (::ioctl(socket_.get(), command, &request_) < 0)
            throw std::system_error(errno, std::generic_category(),
                                    "network: " + name_ + ": " + what);
    }

    std::string name_;
    os::Fd socket_;
    ifreq request_{};
};

std::string interface_with(const std::string& mac) {
    const std::string base = "/sys/class/net/";
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(base.c_str()), ::closedir);
    while (const auto* entry = folder ? ::readdir(folder.get()) : nullptr) {
        auto address = read_file_or_empty(base + entry->d_name + "/address");
        if (address.ends_with('\n')) address.pop_back();
        if (::strcasecmp(address.c_str(), mac.c_str()) == 0) return entry->d_name;
    }
    throw std::runtime_error("network: no interface has the address " + mac +
                             "; the image needs the virtio_net driver");
}

}  // namespace

void bring_up_loopback() {
    Interface("lo").up();
    // `ping` without privileges, as distributions set it; the kernel's default admits nobody.
    os::Fd groups(::open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC));
    constexpr std::string_view all = "0 2147483647";
    if (!groups.valid() || ::write(groups.get(), all.data(), all.size()) < 0)
        log("ping is for root only: " + std::string(std::strerror(errno)));
}

void bring_up(const NetworkConfig& config) {
    in_addr address{};
    if (::inet_pton(AF_INET, config.address.c_str(), &address) != 1)
        throw std::runtime_error("network: " + config.address + ": not an IPv4 address");
    if (config.prefix < 1 || config.prefix > 32)
        throw std::runtime_error("network: bad prefix length");
    Interface interface(interface_with(config.mac));
    if (config.mtu > 0) interface.set_mtu(config.mtu);
    interface.set_address(SIOCSIFADDR, address);
    interface.set_address(SIOCSIFNETMASK, in_addr{htonl(~0u << (32 - config.prefix))});
    interface.up();
}

}  // namespace holon::guest
