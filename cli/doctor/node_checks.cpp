// SPDX-License-Identifier: GPL-2.0-or-later
// What a compute node needs to run VMs.
#include <fmt/ranges.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/ask.h"
#include "cli/doctor/check.h"
#include "cli/doctor/node_facts.h"
#include "cli/table.h"
#include "paths.h"
#include "plugins/image/image.h"
#include "plugins/network/network.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"
#include "plugins/rpc/rpc.h"
#include "plugins/vm/vm.h"

namespace holon::cli {
namespace {

using nlohmann::json;

Finding accelerator(const Site& site) {
    if (site.config.vm.accelerator == config::Accelerator::tcg)
        return warn("tcg: holon.yaml says vm.accelerator: tcg; VMs are emulated and slow",
                    "set vm.accelerator: auto where the nodes have KVM");
    if (!site.root) return not_checked("only root can try");
    std::filesystem::path kernel;
    for (const auto& one : image::list(site.config))
        if (kernel.empty() || one.name == site.config.images.default_image)
            if (!one.kernel.empty()) kernel = one.kernel;
    if (kernel.empty()) return not_checked("there is no image whose kernel could be booted");
    const auto found = vm::probe_acceleration(kernel, paths::cache_dir);
    if (found.kvm) return good(found.reason);
    const std::string mend =
        "enable virtualisation in the firmware, load kvm_intel or kvm_amd, or for VMs in VMs "
        "nested virtualisation";
    if (site.config.vm.accelerator == config::Accelerator::kvm)
        return bad(found.reason + "; holon.yaml says vm.accelerator: kvm", mend);
    return warn("tcg: VMs are emulated and slow: " + found.reason, mend);
}

Finding libvirt(const Site& site) {
    if (!site.root) return not_checked("only root may ask it");
    const std::string& uri = site.config.vm.libvirt_uri;
    try {
        return good(in_child(
            [&] {
                virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});  // it is told once, here
                const virConnectPtr connection = virConnectOpen(uri.c_str());
                unsigned long qemu = 0, lib = 0;
                if (connection == nullptr || virConnectGetVersion(connection, &qemu) != 0 ||
                    virConnectGetLibVersion(connection, &lib) != 0) {
                    const virErrorPtr error = virGetLastError();
                    throw Error("{}", error != nullptr && error->message != nullptr
                                          ? error->message
                                          : "no connection");
                }
                const auto text = [](unsigned long v) {
                    return fmt::format("{}.{}.{}", v / 1000000, v / 1000 % 1000, v % 1000);
                };
                return fmt::format("libvirt {} with QEMU {} at {}", text(lib), text(qemu), uri);
            },
            std::chrono::seconds(15)));
    } catch (const Error& error) {
        return bad(
            fmt::format("{}: {}", uri, error.what()),
            "install libvirtd (Debian: libvirt-daemon-system) and qemu-system-x86, and start "
            "it: systemctl enable --now libvirtd");
    }
}

// A whole network of a job as holond makes it, in a network namespace that goes with the child.
Finding network(const Site& site) {
    if (!site.root) return not_checked("only root can try");
    try {
        return good(in_child(
            [&] {
                if (::unshare(CLONE_NEWNET) != 0)
                    throw Error("a network namespace: {}", errno_text());
                // Addresses set aside for documentation, on an interface that every kernel can
                // make.
                const std::string here = "192.0.2.1", there = "192.0.2.2";
                os::run_checked({"ip", "link", "add", "underlay", "type", "bridge"});
                os::run_checked({"ip", "addr", "add", here + "/24", "dev", "underlay"});
                os::run_checked({"ip", "link", "set", "underlay", "up"});
                const plan::Job job{1, 0};
                const plan::Plan plan = plan::make(spec::Spec{}, {{"here", 1, 0}, {"there", 1, 0}},
                                                   job, site.config.sizing());
                const std::uint16_t port = site.config.network.vxlan_port;
                network::prepare_node(port);
                network::create(plan, {here, {{"there", there}}, port, site.config.network.mtu});
                os::run_checked(
                    {"ip", "tuntap", "add", "dev", network::tap_name(job, 0), "mode", "tap"});
                os::run_checked({"ip", "link", "set", "dev", network::tap_name(job, 0), "master",
                                 network::bridge_name(job)});
                network::attach_tap(job, plan.vms[0]);
                network::remove(job);
                if (!network::interfaces().empty())
                    throw Error("{} was not removed", network::interfaces()[0].interface);
                return std::string(
                    "bridge, vxlan, tap and filters were made and removed in a namespace of their "
                    "own");
            },
            std::chrono::seconds(20)));
    } catch (const Error& error) {
        return bad(error.what(),
                   "install iproute2 and nftables, and load the kernel modules bridge, vxlan, tun "
                   "and nf_tables");
    }
}

Finding firewall(const Site& site) {
    if (!site.root) return not_checked("only root can see it");
    const auto rules = os::run({"nft", "list", "table", "inet", "holon"});
    if (!rules.ok())
        return bad(
            "the table 'inet holon' is not there: UDP from any process of this node could enter "
            "job networks",
            "start holond (or restart it, if a firewall's reload has flushed the table)");
    if (rules.out.find(std::to_string(site.config.network.vxlan_port)) == std::string::npos)
        return bad(fmt::format("the table 'inet holon' does not name port {}",
                               site.config.network.vxlan_port),
                   "restart holond: network.vxlan_port was changed");
    return good(fmt::format("the table 'inet holon' guards the UDP ports {} to {}",
                            site.config.network.vxlan_port, site.config.network.vxlan_port + 3));
}

// VXLAN adds 50 bytes to what a guest sends.
Finding mtu(const Site& site) {
    const std::string address =
        network::resolve(site.node_name.empty() ? site.host : site.node_name);
    if (address.starts_with("127."))
        return bad(
            fmt::format("this host's name resolves to {}, which other nodes cannot reach", address),
            "let the node's name resolve to its address towards the other nodes, on every host");
    const json links = json::parse(os::run_checked({"ip", "-j", "addr", "show"}), nullptr, false);
    if (!links.is_array()) return not_checked("ip -j addr show printed something that is not JSON");
    for (const json& link : links)
        for (const json& one : link.value("addr_info", json::array())) {
            if (one.value("local", "") != address) continue;
            const auto has = link.value("mtu", 0u), needs = site.config.network.mtu + 50;
            const std::string name = link.value("ifname", "?");
            if (has < needs)
                return bad(
                    fmt::format("{} ({}) has MTU {}, the guests' {} need {}", name, address, has,
                                site.config.network.mtu, needs),
                    fmt::format(
                        "set network.mtu: {} in holon.yaml, or raise the MTU between the nodes",
                        has > 626 ? has - 50 : 576));
            return good(fmt::format("{} ({}) has MTU {}, the guests' is {}", name, address, has,
                                    site.config.network.mtu));
        }
    return bad(
        fmt::format("this host's name resolves to {}, which none of its interfaces has", address),
        "let the node's name resolve to its address towards the other nodes, on every host");
}

Finding sysctls(const Site& site) {
    std::vector<std::string> drops;
    if (site.root) {
        drops = forward_drops(os::run({"nft", "-j", "list", "chains"}).out);
        // The older iptables keeps rules of its own; asking loads its module, so only where it is.
        const auto tables = os::read_file_if_exists("/proc/net/ip_tables_names");
        if (tables && tables->find("filter") != std::string::npos &&
            os::run({"iptables-legacy", "-S", "FORWARD"}).out.starts_with("-P FORWARD DROP"))
            drops.push_back("iptables FORWARD");
    }
    return bridged_traffic("/proc/sys/net/bridge", drops);
}

Finding saves(const Site&) { return background_saves("/proc/sys/vm/unprivileged_userfaultfd"); }

Finding qemu_dir(const Site&) { return qemu_folder("/var/lib/libvirt/qemu"); }

Finding cgroup(const Site&) {
    struct statfs status {};
    if (::statfs("/sys/fs/cgroup", &status) != 0)
        return bad(fmt::format("/sys/fs/cgroup: {}", errno_text()), "mount the cgroup hierarchies");
    if (status.f_type == CGROUP2_SUPER_MAGIC) {
        const std::string controllers = os::read_file("/sys/fs/cgroup/cgroup.controllers");
        if (!has_word(controllers, "memory") && controllers.find("memory") == std::string::npos)
            return bad("cgroup v2 without the memory controller",
                       "boot without cgroup_disable=memory");
        return good("cgroup v2");
    }
    for (const char* controller : {"memory", "cpuset"})
        if (!std::filesystem::exists(std::filesystem::path("/sys/fs/cgroup") / controller))
            return bad(fmt::format("cgroup v1 without /sys/fs/cgroup/{}", controller),
                       "mount it, and boot without cgroup_disable");
    return good("cgroup v1 with memory and cpuset");
}

Finding state_dir(const Site& site) {
    std::filesystem::path path = site.config.state_dir;
    while (!std::filesystem::exists(path) && path.has_relative_path()) path = path.parent_path();
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0)
        return bad(fmt::format("{}: {}", path.string(), errno_text()), {});
    if ((status.f_flag & ST_RDONLY) != 0)
        return bad(fmt::format("{} is on a read-only file system", site.config.state_dir.string()),
                   "set state_dir in holon.yaml");
    const std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
    const std::string seen = fmt::format("{} free for VMs' disks in {}", bytes_text(free),
                                         site.config.state_dir.string());
    if (free < (1ULL << 30))
        return warn(seen, "make room, or set state_dir in holon.yaml to a larger disk");
    return good(seen);
}

Finding holond(const Site&) {
    json reply;
    try {
        reply = rpc::Client::local().call({{"op", "ping"}});
    } catch (const Error& error) {
        return bad(error.what(), "systemctl enable --now holond; its log says why it does not run");
    }
    const std::string version = reply.value("version", "?");
    if (version != HOLON_VERSION)
        return bad(fmt::format("holond is {}, this command is " HOLON_VERSION, version),
                   "restart holond after an upgrade (running jobs do not notice)");
    return good("holond " + version + " answers");
}

Finding rpc_reachable(const Site& site) {
    const std::string name = site.node_name.empty() ? site.host : site.node_name;
    try {
        rpc::Client::remote(name, site.config.rpc.port).call({{"op", "ping"}});
    } catch (const Error& error) {
        return bad(
            error.what(),
            fmt::format(
                "let holond listen on TCP {} and the firewall accept it from the cluster's hosts",
                site.config.rpc.port));
    }
    return good(fmt::format("holond answers on TCP {} of {}", site.config.rpc.port, name));
}

}  // namespace

std::vector<Check> node_checks() {
    return {
        {"accelerator", on_node, accelerator},
        {"libvirt", on_node, libvirt},
        {"qemu_dir", on_node, qemu_dir},
        {"network", on_node, network},
        {"mtu", on_node, mtu},
        {"sysctl", on_node, sysctls},
        {"saves", on_node, saves},
        {"cgroup", on_node, cgroup},
        {"state_dir", on_node, state_dir},
        {"holond", on_node, holond},
        {"firewall", on_node, firewall},
        {"rpc", on_node, rpc_reachable},
    };
}

}  // namespace holon::cli
