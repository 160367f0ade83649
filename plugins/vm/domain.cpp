// SPDX-License-Identifier: GPL-2.0-or-later
// The domain XML (libvirt.org/formatdomain.html). Settings that are not obvious are those that
// measured fastest to boot under TCG: machine `pc` with a directly booted kernel, no firmware menu,
// no USB, video or balloon.
#include <fmt/format.h>

#include <pugixml.hpp>
#include <sstream>

#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

pugi::xml_node text_node(pugi::xml_node parent, const char* name, const std::string& text) {
    auto node = parent.append_child(name);
    node.text().set(text.c_str());
    return node;
}

template <typename Value>
pugi::xml_node with(pugi::xml_node node, const char* name, const Value& value) {
    if constexpr (std::is_convertible_v<Value, const char*>)
        node.append_attribute(name).set_value(static_cast<const char*>(value));
    else
        node.append_attribute(name).set_value(fmt::format("{}", value).c_str());
    return node;
}

void add_cpu(pugi::xml_node domain, const Machine& machine) {
    auto cpu = domain.append_child("cpu");
    if (!machine.cpu_model.empty()) {
        with(with(cpu, "mode", "custom"), "match", "exact");
        text_node(cpu, "model", machine.cpu_model);
    } else {
        with(cpu, "mode", machine.kvm ? "host-passthrough" : "maximum");
        // A CPU with "enhanced rep movsb" makes guests copy and clear memory by single bytes, which
        // TCG emulates one by one; without it they take the widest words they have. "Fast short rep
        // movsb", which QEMU 8.2 and later offer, goes with it: Linux 6.1 takes it for a promise of
        // the former, and its memmove writes over memory where that is not kept.
        if (!machine.kvm)
            for (const char* feature : {"erms", "fsrm"})
                with(with(cpu.append_child("feature"), "policy", "disable"), "name", feature);
    }
    // One socket: what `lscpu` in the guest shows is a machine of so many cores.
    with(with(with(cpu.append_child("topology"), "sockets", "1"), "cores", machine.vm.cpus),
         "threads", "1");
}

void add_features(pugi::xml_node domain, const Machine& machine) {
    auto features = domain.append_child("features");
    features.append_child("acpi");
    features.append_child("apic");
    if (!machine.kvm) {
        auto cache = features.append_child("tcg").append_child("tb-cache");
        with(cache, "unit", "MiB").text().set(fmt::format("{}", machine.tcg_cache_mb).c_str());
    }
}

void add_disk(pugi::xml_node devices, const Disk& disk) {
    if (disk.overlay.empty()) return;
    auto node = with(with(devices.append_child("disk"), "type", "file"), "device", "disk");
    // The overlay dies with the job, so nothing is gained by waiting for it to reach the disk.
    with(with(with(node.append_child("driver"), "name", "qemu"), "type", "qcow2"), "cache",
         "unsafe");
    with(node.append_child("source"), "file", disk.overlay.string());
    // The whole chain is spelt out, so that libvirtd, which is root, opens and probes nothing the
    // user owns.
    auto backing = with(node.append_child("backingStore"), "type", "file");
    with(backing.append_child("format"), "type", disk.base_format);
    with(backing.append_child("source"), "file", disk.base.string());
    backing.append_child("backingStore");
    with(with(node.append_child("target"), "dev", "vda"), "bus", "virtio");
}

void add_socket(pugi::xml_node parent, const std::filesystem::path& path) {
    with(with(parent.append_child("source"), "mode", "bind"), "path", path.string());
}

void add_devices(pugi::xml_node domain, const Machine& machine) {
    auto devices = domain.append_child("devices");
    add_disk(devices, machine.disk);
    with(with(with(devices.append_child("controller"), "type", "usb"), "index", "0"), "model",
         "none");
    if (!machine.bridge.empty()) {
        auto nic = with(devices.append_child("interface"), "type", "bridge");
        with(nic.append_child("mac"), "address", machine.vm.mac);
        with(nic.append_child("source"), "bridge", machine.bridge);
        with(nic.append_child("target"), "dev", machine.tap);
        with(nic.append_child("model"), "type", "virtio");
        // Without vhost: its kernel thread would run outside the job's cgroup on kernels
        // before 6.4.
        with(nic.append_child("driver"), "name", "qemu");
        // No option ROM: the guest never boots from the network, and loading it costs time.
        with(nic.append_child("rom"), "enabled", "no");
    }
    auto channel = with(devices.append_child("channel"), "type", "unix");
    add_socket(channel, machine.channel_socket);
    with(with(channel.append_child("target"), "type", "virtio"), "name", "org.holon.0");
    auto serial = with(devices.append_child("serial"), "type", "unix");
    add_socket(serial, machine.console_socket);
    with(serial.append_child("target"), "port", "0");
    auto random = with(devices.append_child("rng"), "model", "virtio");
    with(random.append_child("backend"), "model", "random").text().set("/dev/urandom");
    with(devices.append_child("memballoon"), "model", "none");
}

}  // namespace

std::string domain_name(plan::Job job, std::uint32_t vm_index) {
    return fmt::format("holon-{}.{}-vm{}", job.id, job.restart, vm_index);
}

std::string domain_xml(const Machine& machine) {
    pugi::xml_document document;
    auto domain = with(document.append_child("domain"), "type", machine.kvm ? "kvm" : "qemu");
    text_node(domain, "name", domain_name(machine.job, machine.vm.index));
    with(text_node(domain, "memory", fmt::format("{}", machine.vm.memory_mb)), "unit", "MiB");
    text_node(domain, "vcpu", fmt::format("{}", machine.vm.cpus));
    auto os = domain.append_child("os");
    with(with(text_node(os, "type", "hvm"), "arch", "x86_64"), "machine",
         machine.type.empty() ? "pc" : machine.type.c_str());
    text_node(os, "kernel", machine.kernel.string());
    text_node(os, "initrd", machine.initrd.string());
    text_node(os, "cmdline", machine.command_line);
    add_features(domain, machine);
    add_cpu(domain, machine);
    with(domain.append_child("clock"), "offset", "utc");
    // A guest that ends, reboots or crashes ends its VM; holond sees it and ends the job.
    text_node(domain, "on_poweroff", "destroy");
    text_node(domain, "on_reboot", "destroy");
    text_node(domain, "on_crash", "destroy");
    add_devices(domain, machine);
    // "+" makes them numbers, not names. No relabelling: files already belong to whom they should.
    auto label = with(with(with(domain.append_child("seclabel"), "type", "static"), "model", "dac"),
                      "relabel", "no");
    text_node(label, "label", fmt::format("+{}:+{}", machine.uid, machine.gid));
    if (machine.restored) {
        with(domain, "xmlns:qemu", "http://libvirt.org/schemas/domain/qemu/1.0");
        auto arguments = domain.append_child("qemu:commandline");
        with(arguments.append_child("qemu:arg"), "value", "-incoming");
        with(arguments.append_child("qemu:arg"), "value", "defer");
    }
    std::ostringstream out;
    document.save(out, " ", pugi::format_default | pugi::format_no_declaration);
    return out.str();
}

}  // namespace holon::vm
