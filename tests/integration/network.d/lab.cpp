// SPDX-License-Identifier: GPL-2.0-or-later
#include "lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <sstream>
#include <thread>

#include "plugins/os/error.h"
#include "plugins/os/process.h"

namespace holon::lab {
namespace {

void check(bool good, const char* what) {
    if (!good) throw Error("{}: {}", what, errno_text());
}

void in_thread(const std::function<void()>& function) {
    std::exception_ptr fault;
    std::thread([&] {
        try {
            function();
        } catch (...) {
            fault = std::current_exception();
        }
    }).join();
    if (fault) std::rethrow_exception(fault);
}

void append16(Octets& out, std::uint16_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

void append_address(Octets& out, const std::string& address) {
    in_addr parsed{};
    check(inet_pton(AF_INET, address.c_str(), &parsed) == 1, address.c_str());
    const auto* octets = reinterpret_cast<const std::uint8_t*>(&parsed);
    out.insert(out.end(), octets, octets + 4);
}

}  // namespace

Host::Host() {
    in_thread([this] {
        check(unshare(CLONE_NEWNET) == 0, "unshare");
        namespace_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
        check(namespace_.valid(), "namespace");
        os::run_checked({"ip", "link", "set", "dev", "lo", "up"});
    });
}

void Host::run(const std::function<void()>& function) const {
    in_thread([&] {
        check(setns(namespace_.get(), CLONE_NEWNET) == 0, "setns");
        function();
    });
}

void Host::ip(const std::string& arguments) const {
    std::vector<std::string> argv{"ip"};
    std::istringstream words(arguments);
    for (std::string word; words >> word;) argv.push_back(word);
    run([&] { os::run_checked(argv); });
}

std::string Host::path() const {
    return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(namespace_.get());
}

std::string address_of_host(std::size_t index) { return "192.0.2." + std::to_string(index + 1); }

Lab::Lab(std::size_t count) : hosts(count) {
    wire.ip("link add name sw type bridge forward_delay 0 mcast_snooping 0");
    wire.ip("link set dev sw up");
    for (std::size_t i = 0; i < count; ++i) {
        const std::string port = "p" + std::to_string(i);
        wire.ip("link add name " + port + " mtu 1600 type veth peer name e0 mtu 1600 netns " +
                hosts[i].path());
        wire.ip("link set dev " + port + " master sw up");
        hosts[i].ip("address add " + address_of_host(i) + "/24 dev e0");
        hosts[i].ip("link set dev e0 up");
    }
}

Host make_guest(const Host& host, const std::string& tap, const std::string& bridge,
                const std::string& mac, const std::string& address) {
    Host guest;
    host.ip("link add name " + tap + " mtu 1450 type veth peer name eth0 mtu 1450 address " + mac +
            " netns " + guest.path());
    host.ip("link set dev " + tap + " master " + bridge + " up");
    guest.ip("address add " + address + "/16 dev eth0");
    guest.ip("link set dev eth0 up");
    return guest;
}

bool pings(const Host& from, const std::string& address) {
    bool answered = false;
    from.run([&] { answered = os::run({"ping", "-n", "-q", "-c", "1", "-W", "1", address}).ok(); });
    return answered;
}

os::Fd open_tap(const Host& host, const std::string& tap, const std::string& bridge) {
    os::Fd fd;
    host.run([&] {
        fd.reset(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
        check(fd.valid(), "/dev/net/tun");
        ifreq request{};
        std::strncpy(request.ifr_name, tap.c_str(), IFNAMSIZ - 1);
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        check(ioctl(fd.get(), TUNSETIFF, &request) == 0, "TUNSETIFF");
        os::run_checked({"ip", "link", "set", "dev", tap, "mtu", "1450", "master", bridge, "up"});
    });
    return fd;
}

Sniffer::Sniffer(const Host& host, const std::string& interface) {
    host.run([&] {
        socket_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        check(socket_.valid(), "packet socket");
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
        check(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
              "bind");
    });
}

std::optional<std::size_t> Sniffer::wait_for_any(const std::vector<std::string>& marks) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd readable{socket_.get(), POLLIN, 0};
        if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) <= 0)
            return std::nullopt;
        char frame[2048];
        const ssize_t size = recv(socket_.get(), frame, sizeof frame, 0);
        if (size <= 0) continue;
        const std::string_view text(frame, static_cast<std::size_t>(size));
        for (std::size_t i = 0; i < marks.size(); ++i)
            if (text.find(marks[i]) != text.npos) return i;
    }
}

Octets mac_octets(const std::string& mac) {
    Octets octets;
    std::istringstream text(mac);
    for (std::string part; std::getline(text, part, ':');)
        octets.push_back(static_cast<std::uint8_t>(std::stoul(part, nullptr, 16)));
    return octets;
}

Octets ethernet(const std::string& to, const std::string& from, std::uint16_t type,
                const Octets& payload) {
    Octets frame = mac_octets(to);
    const Octets sender = mac_octets(from);
    frame.insert(frame.end(), sender.begin(), sender.end());
    append16(frame, type);
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

Octets ipv4_udp(const std::string& from, const std::string& to, std::uint16_t port,
                const std::string& text) {
    Octets packet{0x45, 0};
    append16(packet, static_cast<std::uint16_t>(28 + text.size()));
    packet.insert(packet.end(), {0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0});
    append_address(packet, from);
    append_address(packet, to);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 2) sum += (packet[i] << 8) + packet[i + 1];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    packet[10] = static_cast<std::uint8_t>(~sum >> 8);
    packet[11] = static_cast<std::uint8_t>(~sum);
    append16(packet, 4000);
    append16(packet, port);
    append16(packet, static_cast<std::uint16_t>(8 + text.size()));
    append16(packet, 0);
    packet.insert(packet.end(), text.begin(), text.end());
    return packet;
}

Octets arp(std::uint16_t operation, const std::string& sender_mac, const std::string& sender_ip,
           const std::string& target_ip, const std::string& padding) {
    Octets packet;
    append16(packet, 1);
    append16(packet, 0x0800);
    packet.insert(packet.end(), {6, 4});
    append16(packet, operation);
    const Octets sender = mac_octets(sender_mac);
    packet.insert(packet.end(), sender.begin(), sender.end());
    append_address(packet, sender_ip);
    packet.insert(packet.end(), 6, 0);
    append_address(packet, target_ip);
    packet.insert(packet.end(), padding.begin(), padding.end());
    return packet;
}

Octets vxlan(std::uint32_t vni, const Octets& frame) {
    Octets packet{0x08, 0, 0, 0};
    append16(packet, static_cast<std::uint16_t>(vni >> 8));
    packet.insert(packet.end(), {static_cast<std::uint8_t>(vni), 0});
    packet.insert(packet.end(), frame.begin(), frame.end());
    return packet;
}

int send_udp(const Host& host, uid_t uid, const std::string& to, std::uint16_t port,
             const Octets& payload) {
    int fault = 0;
    host.run([&] {
        const pid_t child = fork();
        check(child >= 0, "fork");
        if (child == 0) {
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(port);
            inet_pton(AF_INET, to.c_str(), &address.sin_addr);
            if (setgid(uid) != 0 || setuid(uid) != 0) _exit(255);
            const int fd = socket(AF_INET, SOCK_DGRAM, 0);
            const ssize_t sent = sendto(fd, payload.data(), payload.size(), 0,
                                        reinterpret_cast<sockaddr*>(&address), sizeof address);
            _exit(sent < 0 ? errno : 0);
        }
        int status = 0;
        check(waitpid(child, &status, 0) == child, "waitpid");
        fault = WEXITSTATUS(status);
    });
    return fault;
}

}  // namespace holon::lab
