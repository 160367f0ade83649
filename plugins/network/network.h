// SPDX-License-Identifier: GPL-2.0-or-later
// The private network of one job run on this node: a bridge, a VXLAN device with a static forwarding table, and
// filters. Free functions over iproute2 and nftables, run without a shell. All are idempotent, may be called by
// any thread, and block (some 10 ms); they need CAP_NET_ADMIN. Names fit IFNAMSIZ (15):
//   bridge "hb<job>.<restart>", vxlan "hx<job>.<restart>", tap "ht<job>.<vm index>" (at most "ht67043328.4095").
//
// What keeps jobs apart: VXLAN alone does not (any process that can send UDP to a node could inject). So
//  * table inet holon: UDP to the VXLAN ports from local sockets is dropped (output hook; encapsulated packets
//    come from the kernel's own socket, which has no owner), forwarded ones are dropped, and incoming ones are taken
//    only from addresses of the peers of jobs that are on this node (a set with one element per job and peer);
//  * the VXLAN device learns nothing: its forwarding table names the peers of the job and no one else;
//  * table netdev holon: at each tap only the VM's own MAC with its own IPv4/ARP addresses gets in; no IPv6.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/plan/plan.h"

namespace holon::network {

struct Underlay {
    std::string local_address;           // this node's address towards its peers
    std::vector<std::string> peers;      // addresses of the job's other nodes, without this one
    std::uint16_t base_port = 4789;      // vxlan_port of holon.yaml; ports base…base+3 are Holon's
    std::uint32_t mtu = 1450;            // of bridge and taps
};

std::string bridge_name(plan::Job job);
std::string vxlan_name(plan::Job job);
std::string tap_name(plan::Job job, std::uint32_t vm_index);

// Once per daemon start: the nftables tables with their drop rules. Existing elements of live jobs are kept.
void prepare_node(std::uint16_t base_port);
// Makes bridge, vxlan, FDB and the peers' entries for PLAN. `tap filters` are added by attach_tap.
void create(const plan::Plan& plan, const Underlay& underlay);
// Restricts the tap that libvirt made for VM (and already put on the bridge) to the VM's own addresses.
void attach_tap(plan::Job job, const plan::Vm& vm);
// Removes all of create and attach_tap for this run; nothing of another run or job is touched.
void remove(plan::Job job);
// For `holon doctor --leaks`: every Holon interface on this host, and the job run it belongs to.
struct Leftover {
    std::string interface;
    std::uint32_t job = 0;
};
std::vector<Leftover> interfaces();

// IPv4 address of a node name through the host's resolver; throws naming the node.
std::string resolve(const std::string& node);

}  // namespace holon::network
