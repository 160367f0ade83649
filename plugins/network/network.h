// SPDX-License-Identifier: GPL-2.0-or-later
// The private network of one job run on this node: a bridge, a VXLAN device with a static
// forwarding table, and filters. Free functions over iproute2 and nftables, run without a shell.
// All are idempotent, may be called by any thread, and block (some 10 ms); they need CAP_NET_ADMIN.
// Names fit IFNAMSIZ (15):
//   bridge "hb<job>.<restart>", vxlan "hx<job>.<restart>", tap "ht<job>.<vm index>" (at most
//   "ht67043328.4095").
// Of a restart count beyond 9999 the last four digits are used; two runs of one job never overlap
// by that much.
//
// What keeps jobs apart: VXLAN alone does not (any process that can send UDP to a node could
// inject). So
//  * table inet holon (of the node): UDP to the VXLAN ports from sockets of processes is dropped,
//  also root's
//    (what guests send is marked at the tap, and passes); forwarded ones are dropped;
//  * table inet holon-<job>.<restart>: packets with this run's VNI are taken only from the run's
//  own peers;
//  * the VXLAN device learns nothing: its forwarding table, made from the plan, names the peers of
//  the run and no
//    one else. Unicast goes to the node of the VM that has the MAC, broadcast (ARP) to every peer;
//  * table netdev holon-<job>.<restart>: at each tap only the VM's own MAC with its own IPv4
//  address, and ARP that
//    tells the same, gets in; no IPv6, no VLAN tags. What the bridge would hand up to the host is
//    dropped: a guest reaches neither a service of its node nor, through it, the site's network.
// A run without peers has no VXLAN device. A site whose firewall reload flushes all tables takes
// these away too: prepare_node, create and attach_tap put them back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/plan/plan.h"

namespace holon::network {

struct Peer {
    std::string node;     // as in the plan
    std::string address;  // IPv4
};
struct Underlay {
    std::string local_address;       // this node's IPv4 address towards its peers
    std::vector<Peer> peers;         // the job's other nodes, without this one
    std::uint16_t base_port = 4789;  // vxlan_port of holon.yaml; ports base…base+3 are Holon's
    std::uint32_t mtu = 1450;        // of bridge and taps
};

std::string bridge_name(plan::Job job);
std::string vxlan_name(plan::Job job);
std::string tap_name(plan::Job job, std::uint32_t vm_index);

// Once per daemon start: the node's table with its drop rules. The tables of live runs are not
// touched.
void prepare_node(std::uint16_t base_port);
// Makes bridge, vxlan, FDB and the run's filters for PLAN; taps are filtered by attach_tap. An
// earlier run of the job loses its VXLAN device, for both have the same identity. Throws where a
// node of the plan is neither this one nor a peer's, or local_address is not an address of this
// host.
void create(const plan::Plan& plan, const Underlay& underlay);
// Restricts the tap that libvirt made for VM (and already put on the bridge) to the VM's own
// addresses. To be called before the VM runs.
void attach_tap(plan::Job job, const plan::Vm& vm);
// VM runs on the node with ADDRESS from now on; empty: on this one. Nothing where the run has no
// VXLAN device.
void relocate(plan::Job job, const plan::Vm& vm, const std::string& address);
// Removes all of create and attach_tap for this run; nothing of another run or job is touched.
void remove(plan::Job job);
// For `holon doctor --leaks`: every Holon interface and every run's filter table ("nft netdev
// holon-42.0") on this host, and the job it belongs to.
struct Leftover {
    std::string interface;
    std::uint32_t job = 0;
};
std::vector<Leftover> interfaces();

// IPv4 address of a node name through the host's resolver, where it has several the first that is
// not a loopback one; throws naming the node.
std::string resolve(const std::string& node);

}  // namespace holon::network
