// SPDX-License-Identifier: GPL-2.0-or-later
// A laboratory of network namespaces for tests of plugins/network: hosts joined by a switch, and
// guests behind the taps of a host. Everything is gone when the process ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugins/os/fd.h"

namespace holon::lab {

using Octets = std::vector<std::uint8_t>;

// A network namespace, held by its descriptor. run() executes in it, in a thread of its own; what
// FUNCTION throws is thrown again. Programs that FUNCTION starts are in the namespace too.
class Host {
  public:
    Host();
    void run(const std::function<void()>& function) const;
    // "ip ARGS…" in this namespace; throws when it fails.
    void ip(const std::string& arguments) const;
    // Path by which `ip link set … netns PATH` finds the namespace.
    std::string path() const;

  private:
    os::Fd namespace_;
};

// A switch with hosts on it: host I (from 0) is 192.0.2.<I+1> on "e0".
struct Lab {
    Host wire;
    std::vector<Host> hosts;
    explicit Lab(std::size_t count);
};
std::string address_of_host(std::size_t index);

// A guest with Linux's own stack: a veth pair stands where a tap would.
Host make_guest(const Host& host, const std::string& tap, const std::string& bridge,
                const std::string& mac, const std::string& address);
bool pings(const Host& from, const std::string& address);

// A real tap on BRIDGE, opened by root as libvirtd does; the caller writes and reads frames as its
// QEMU would.
os::Fd open_tap(const Host& host, const std::string& tap, const std::string& bridge);

// Sees every frame that arrives on an interface.
class Sniffer {
  public:
    Sniffer(const Host& host, const std::string& interface);
    // Waits for a frame that holds MARK; returns which of the marks came first, nullopt after 5 s.
    std::optional<std::size_t> wait_for_any(const std::vector<std::string>& marks) const;

  private:
    os::Fd socket_;
};

// --- Frames
// ---------------------------------------------------------------------------------------------------
Octets mac_octets(const std::string& mac);
Octets ethernet(const std::string& to, const std::string& from, std::uint16_t type,
                const Octets& payload);
Octets ipv4_udp(const std::string& from, const std::string& to, std::uint16_t port,
                const std::string& text);
Octets arp(std::uint16_t operation, const std::string& sender_mac, const std::string& sender_ip,
           const std::string& target_ip, const std::string& padding);
Octets vxlan(std::uint32_t vni, const Octets& frame);

// One UDP datagram from a process of UID on HOST; the errno of sendto, 0 when it was taken.
int send_udp(const Host& host, uid_t uid, const std::string& to, std::uint16_t port,
             const Octets& payload);

}  // namespace holon::lab
