// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/network/network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "plugins/network/batch.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"

namespace holon::network {
namespace {

using nlohmann::json;

// create and remove look at what is there and then change it; one at a time in this process. (Other
// processes only look.)
std::mutex changing;

// Runs a program and throws all it had to say as one line.
std::string run(const std::vector<std::string>& argv, const std::string& input,
                const std::string& object) {
    os::RunOptions options;
    options.input = input;
    os::RunResult result = os::run(argv, options);
    if (result.ok()) return result.out;
    std::string words = result.err;
    while (!words.empty() && words.back() == '\n') words.pop_back();
    std::replace(words.begin(), words.end(), '\n', ';');
    throw Error("network of {}: {} failed: {}", object, argv[0], words);
}

void run_batch(const char* program, const std::string& text, const std::string& object) {
    if (!text.empty()) run({program, "-batch", "-"}, text, object);
}
void run_nft(const std::string& text, const std::string& object) {
    run({"nft", "-f", "-"}, text, object);
}
json run_json(const std::vector<std::string>& argv, const std::string& object) {
    std::string out = run(argv, "", object);
    if (out.find_first_not_of(" \n") == std::string::npos)
        return json::array();  // ip prints nothing for none
    try {
        return json::parse(out);
    } catch (const json::exception& e) {
        throw Error("network of {}: {} printed no JSON: {}", object, argv[0], e.what());
    }
}

std::string job_text(plan::Job job) { return fmt::format("job {}", job.id); }

bool exists(const std::string& interface) { return if_nametoindex(interface.c_str()) != 0; }

// The host itself stays silent on a job's devices. A kernel without IPv6 has no such file; what a
// guest sends as IPv6 is dropped at its tap in any case.
void disable_ipv6(const std::string& interface) {
    std::ofstream("/proc/sys/net/ipv6/conf/" + interface + "/disable_ipv6") << "1";
}

void check_local_address(const std::string& address, plan::Job job) {
    in_addr parsed{};
    if (inet_pton(AF_INET, address.c_str(), &parsed) != 1)
        throw Error("network of job {}: '{}' is not an IPv4 address", job.id, address);
    if ((ntohl(parsed.s_addr) >> 24) == 127)
        throw Error(
            "network of job {}: this node's name resolves to {}, which its peers cannot reach; "
            "give it its "
            "network address in /etc/hosts or DNS",
            job.id, address);
    // As routing sees it: "local A dev lo …" for an address of this host.
    json route = run_json({"ip", "-j", "route", "get", address}, job_text(job));
    if (route.empty() || route[0].value("type", "") != "local")
        throw Error("network of job {}: {} is not an address of this host", job.id, address);
}

std::set<Forward> present_forwards(plan::Job job) {
    std::set<Forward> present;
    for (const json& entry :
         run_json({"bridge", "-j", "fdb", "show", "dev", vxlan_name(job)}, job_text(job)))
        if (entry.contains("dst")) present.emplace(entry.value("mac", ""), entry.value("dst", ""));
    return present;
}

std::vector<std::string> interfaces_of_host() {
    std::unique_ptr<struct if_nameindex, decltype(&if_freenameindex)> list(if_nameindex(),
                                                                           if_freenameindex);
    if (!list) throw Error("cannot list network interfaces: {}", errno_text());
    std::vector<std::string> names;
    for (const auto* item = list.get(); item->if_index != 0; ++item)
        names.emplace_back(item->if_name);
    return names;
}

void delete_link(const std::string& interface, plan::Job job) {
    os::RunResult result = os::run({"ip", "link", "delete", "dev", interface});
    // It may have gone by itself meanwhile, as a tap does when its QEMU ends.
    if (!result.ok() && exists(interface))
        throw Error("network of job {}: cannot delete {}: {}", job.id, interface, result.err);
}

}  // namespace

void prepare_node(std::uint16_t base_port) { run_nft(node_filter(base_port), "this node"); }

void create(const plan::Plan& plan, const Underlay& underlay) {
    const plan::Job job = plan.job;
    const std::string object = job_text(job);
    const std::string bridge = bridge_name(job), vxlan = vxlan_name(job);
    const bool with_vxlan = !underlay.peers.empty();
    const std::vector<Forward> forwards = forwarding_table(plan, underlay);

    std::lock_guard lock(changing);
    if (with_vxlan) check_local_address(underlay.local_address, job);
    // The runs of a job share their VXLAN identity, and the kernel gives it to one device. A device
    // of an earlier run is dead (Slurm starts a run only after the other has ended), though its
    // epilog may still be to come.
    for (const std::string& name : interfaces_of_host())
        if (name.starts_with(fmt::format("hx{}.", job.id)) && name != vxlan) delete_link(name, job);
    std::string links;
    if (!exists(bridge)) links += bridge_batch(job, underlay.mtu);
    if (with_vxlan && !exists(vxlan)) links += vxlan_batch(plan, underlay);
    run_batch("ip", links, object);
    disable_ipv6(bridge);
    if (with_vxlan) disable_ipv6(vxlan);
    // Filters before anything is up: no frame passes unfiltered.
    run_nft(run_filter(plan, underlay), object);
    if (with_vxlan)
        run_batch("bridge", forwarding_batch(job, forwards, present_forwards(job)), object);
    run_batch("ip", up_batch(job, with_vxlan), object);
}

void attach_tap(plan::Job job, const plan::Vm& vm) {
    const std::string tap = tap_name(job, vm.index);
    if (!exists(tap)) throw Error("network of job {}: {} has no tap {}", job.id, vm.name, tap);
    disable_ipv6(tap);
    run_nft(tap_filter(job, vm), job_text(job));
}

void relocate(plan::Job job, const plan::Vm& vm, const std::string& address) {
    const std::string vxlan = vxlan_name(job);
    std::lock_guard lock(changing);
    if (!exists(vxlan)) return;
    run_batch("bridge", relocation_batch(job, vm, address, present_forwards(job)), job_text(job));
    // What the bridge has learned: frames to a VM that has come here would still go to the device.
    // (There may be no such entry.)
    if (address.empty()) os::run({"bridge", "fdb", "del", vm.mac, "dev", vxlan, "master"});
}

void remove(plan::Job job) {
    const std::string bridge = bridge_name(job), vxlan = vxlan_name(job);
    std::lock_guard lock(changing);
    if (exists(vxlan)) delete_link(vxlan, job);
    if (exists(bridge)) {
        // Taps do not carry the restart count; being on this run's bridge tells which are its.
        for (const json& link :
             run_json({"ip", "-j", "link", "show", "master", bridge}, job_text(job))) {
            const std::string name = link.value("ifname", "");
            if (job_of_interface(name) == job.id) delete_link(name, job);
        }
        delete_link(bridge, job);
    }
    run_nft(no_filter(job), job_text(job));
}

std::vector<Leftover> interfaces() {
    std::vector<Leftover> found;
    for (const json& link : run_json({"ip", "-j", "link", "show"}, "this node")) {
        const std::string name = link.value("ifname", "");
        if (auto job = job_of_interface(name)) found.push_back({name, *job});
    }
    const json ruleset = run_json({"nft", "-j", "list", "tables"}, "this node");
    if (!ruleset.is_object()) return found;
    for (const json& item : ruleset.value("nftables", json::array())) {
        if (!item.contains("table")) continue;
        const json& table = item["table"];
        const std::string name = table.value("name", "");
        if (auto job = job_of_table(name))
            found.push_back({fmt::format("nft {} {}", table.value("family", ""), name), *job});
    }
    return found;
}

std::string resolve(const std::string& node) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* raw = nullptr;
    int fault = getaddrinfo(node.c_str(), nullptr, &hints, &raw);
    if (fault != 0)
        throw Error("node {}: its name does not resolve to an IPv4 address: {}", node,
                    fault == EAI_SYSTEM ? errno_text() : gai_strerror(fault));
    std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(raw, freeaddrinfo);
    std::string address;
    for (const addrinfo* item = list.get(); item; item = item->ai_next) {
        const auto* socket_address = reinterpret_cast<const sockaddr_in*>(item->ai_addr);
        char text[INET_ADDRSTRLEN] = "";
        inet_ntop(AF_INET, &socket_address->sin_addr, text, sizeof text);
        const bool loopback = (ntohl(socket_address->sin_addr.s_addr) >> 24) == 127;
        if (address.empty() || !loopback) address = text;
        if (!loopback) break;
    }
    return address;
}

}  // namespace holon::network
