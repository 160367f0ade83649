// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/network/batch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "plugins/os/error.h"

namespace holon::network {
namespace {

// What a guest sends belongs, for the kernel, to the socket by which QEMU wrote it to its tap, and
// still does when it is encapsulated (skb->sk; only flooded packets are copies without one). Its
// filter at the tap therefore marks it, for the rule that drops what local sockets send; setting a
// mark on a socket takes CAP_NET_ADMIN.
constexpr unsigned guest_mark = 0x484f4c4e;

constexpr std::uint32_t ports = 4;  // base … base+3, see plan::Plan::udp_port_offset

// "42.0" → 42
std::optional<std::uint32_t> job_of_suffix(std::string_view text) {
    std::uint32_t job = 0, run = 0;
    const char* end = text.data() + text.size();
    auto [dot, bad_job] = std::from_chars(text.data(), end, job);
    if (bad_job != std::errc{} || dot == end || *dot != '.') return std::nullopt;
    auto [last, bad_run] = std::from_chars(dot + 1, end, run);
    if (bad_run != std::errc{} || last != end) return std::nullopt;
    return job;
}

std::string run_name(plan::Job job) { return fmt::format("{}.{}", job.id, job.restart % 10000); }

}  // namespace

std::string bridge_name(plan::Job job) { return "hb" + run_name(job); }
std::string vxlan_name(plan::Job job) { return "hx" + run_name(job); }
std::string tap_name(plan::Job job, std::uint32_t vm_index) {
    return fmt::format("ht{}.{}", job.id, vm_index);
}
std::string table_name(plan::Job job) { return "holon-" + run_name(job); }

std::optional<std::uint32_t> job_of_interface(std::string_view name) {
    if (name.size() < 3 || name[0] != 'h' || std::string_view("bxt").find(name[1]) == name.npos)
        return std::nullopt;
    return job_of_suffix(name.substr(2));
}

std::optional<std::uint32_t> job_of_table(std::string_view name) {
    constexpr std::string_view prefix = "holon-";
    if (!name.starts_with(prefix)) return std::nullopt;
    return job_of_suffix(name.substr(prefix.size()));
}

std::string bridge_batch(plan::Job job, std::uint32_t mtu) {
    // Without STP and forward delay a VM's first frame passes. No multicast snooping: it needs a
    // querier and IGMP from guests, and there is nothing to gain on a few taps.
    return fmt::format(
        "link add name {} mtu {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n",
        bridge_name(job), mtu);
}

std::string vxlan_batch(const plan::Plan& plan, const Underlay& underlay) {
    // No "dev": routing picks the way to each peer, so a node may reach its peers over several
    // links.
    return fmt::format("link add name {} mtu {} type vxlan id {} dstport {} local {} nolearning\n",
                       vxlan_name(plan.job), underlay.mtu, plan.vni,
                       underlay.base_port + plan.udp_port_offset, underlay.local_address);
}

std::string up_batch(plan::Job job, bool with_vxlan) {
    std::string text;
    if (with_vxlan)
        text += fmt::format("link set dev {} master {} up\n", vxlan_name(job), bridge_name(job));
    return text + fmt::format("link set dev {} up\n", bridge_name(job));
}

std::vector<Forward> forwarding_table(const plan::Plan& plan, const Underlay& underlay) {
    std::vector<Forward> table;
    for (const Peer& peer : underlay.peers) table.emplace_back(broadcast_mac, peer.address);
    std::string local_node;
    for (const plan::Vm& vm : plan.vms) {
        auto peer = std::find_if(underlay.peers.begin(), underlay.peers.end(),
                                 [&](const Peer& p) { return p.node == vm.node; });
        if (peer != underlay.peers.end()) {
            table.emplace_back(vm.mac, peer->address);
        } else if (local_node.empty() || local_node == vm.node) {
            local_node = vm.node;
        } else {
            throw Error("network of job {}: the address of node {} or of node {} is missing",
                        plan.job.id, local_node, vm.node);
        }
    }
    return table;
}

std::string forwarding_batch(plan::Job job, const std::vector<Forward>& wanted,
                             const std::set<Forward>& present) {
    std::string text;
    for (const Forward& entry : wanted)
        if (!present.contains(entry))
            text += fmt::format("fdb append {} dev {} dst {} self permanent\n", entry.first,
                                vxlan_name(job), entry.second);
    return text;
}

std::string relocation_batch(plan::Job job, const plan::Vm& vm, const std::string& address,
                             const std::set<Forward>& present) {
    std::string text;
    if (!address.empty()) text = forwarding_batch(job, {{vm.mac, address}}, present);
    for (const auto& [mac, peer] : present)
        if (mac == vm.mac && peer != address)
            text += fmt::format("fdb del {} dev {} dst {} self\n", mac, vxlan_name(job), peer);
    return text;
}

// "add table; delete table; table {…}" is nft's way to say "replace, or make".

std::string node_filter(std::uint16_t base_port) {
    // The forward rule excepts Holon's bridges: where br_netfilter is loaded, frames inside a job's
    // bridge pass this hook too, and a guest may use the port as it likes.
    return fmt::format(
        "add table inet holon\n"
        "delete table inet holon\n"
        "table inet holon {{\n"
        "  chain output {{\n"
        "    type filter hook output priority filter - 10; policy accept;\n"
        "    udp dport {0}-{1} meta mark != {2:#x} meta skuid >= 0 counter drop\n"
        "  }}\n"
        "  chain forward {{\n"
        "    type filter hook forward priority filter - 10; policy accept;\n"
        "    iifname != \"hb*\" udp dport {0}-{1} counter drop\n"
        "  }}\n"
        "}}\n",
        base_port, base_port + ports - 1, guest_mark);
}

std::string run_filter(const plan::Plan& plan, const Underlay& underlay) {
    const std::string table = table_name(plan.job);
    // The chain is deleted and made again, since one that stands may be bound to a bridge of the
    // same name that is gone. Other chains of the table (taps) stay.
    std::string text = fmt::format(
        "add table netdev {0}\n"
        "add chain netdev {0} host\n"
        "delete chain netdev {0} host\n"
        "table netdev {0} {{\n"
        "  chain host {{\n"
        "    type filter hook ingress device \"{1}\" priority filter; policy drop;\n"
        "  }}\n"
        "}}\n",
        table, bridge_name(plan.job));
    if (underlay.peers.empty()) return text;
    std::vector<std::string> addresses;
    for (const Peer& peer : underlay.peers) addresses.push_back(peer.address);
    // @th,96,24: the VNI, after 8 octets of UDP header and 4 of VXLAN flags.
    text += fmt::format(
        "add table inet {0}\n"
        "delete table inet {0}\n"
        "table inet {0} {{\n"
        "  set peers {{\n"
        "    type ipv4_addr\n"
        "    elements = {{ {1} }}\n"
        "  }}\n"
        "  chain input {{\n"
        "    type filter hook input priority filter - 10; policy accept;\n"
        "    udp dport {2} @th,96,24 {3} ip saddr != @peers counter drop\n"
        "  }}\n"
        "}}\n",
        table, fmt::join(addresses, ", "), underlay.base_port + plan.udp_port_offset, plan.vni);
    return text;
}

std::string tap_filter(plan::Job job, const plan::Vm& vm) {
    // VLAN tags first: for nft, a tagged IPv4 frame is an IPv4 frame. The chain is deleted and made
    // again for the reason given above.
    return fmt::format(
        "add table netdev {0}\n"
        "add chain netdev {0} {1}\n"
        "delete chain netdev {0} {1}\n"
        "table netdev {0} {{\n"
        "  chain {1} {{\n"
        "    type filter hook ingress device \"{1}\" priority filter; policy drop;\n"
        "    ether type {{ 8021q, 8021ad }} drop\n"
        "    ether saddr {2} ip saddr {3} meta mark set {4:#x} accept\n"
        "    ether saddr {2} arp htype 1 arp ptype ip arp saddr ether {2} arp saddr ip {3} meta "
        "mark set {4:#x} accept\n"
        "  }}\n"
        "}}\n",
        table_name(job), tap_name(job, vm.index), vm.mac, vm.address, guest_mark);
}

std::string no_filter(plan::Job job) {
    return fmt::format(
        "add table inet {0}\n"
        "delete table inet {0}\n"
        "add table netdev {0}\n"
        "delete table netdev {0}\n",
        table_name(job));
}

}  // namespace holon::network
