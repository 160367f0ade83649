// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/hardware.h"

#include <fmt/format.h>

#include <cstdlib>
#include <pugixml.hpp>
#include <sstream>

#include "plugins/os/file.h"
#include "plugins/vm/connection.h"

namespace holon::vm {
namespace {

struct Version {
    unsigned long number = 0;  // major * 1,000,000 + minor * 1,000 + release
    std::string text() const {
        return fmt::format("{}.{}.{}", number / 1'000'000, number / 1000 % 1000, number % 1000);
    }
};

Version qemu_version(virConnectPtr handle) {
    Version version;
    if (::virConnectGetVersion(handle, &version.number) != 0) Connection::fail("libvirtd");
    return version;
}

std::string host_cpu() {
    std::istringstream lines(os::read_file("/proc/cpuinfo"));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("model name") && line.find(": ") != line.npos)
            return line.substr(line.find(": ") + 2);
    return "unknown";
}

bool knows_machine(virConnectPtr handle, const std::string& type) {
    char* text = ::virConnectGetCapabilities(handle);
    if (text == nullptr) Connection::fail("libvirtd");
    pugi::xml_document capabilities;
    capabilities.load_string(text);
    std::free(text);
    for (const auto& guest : capabilities.child("capabilities").children("guest"))
        for (const auto& machine : guest.child("arch").children("machine"))
            if (std::string(guest.child("arch").attribute("name").value()) == "x86_64" &&
                (type == machine.text().get() || type == machine.attribute("canonical").value()))
                return true;
    return false;
}

}  // namespace

Hardware hardware_of(virConnectPtr handle, virDomainPtr domain, const Machine& machine) {
    char* text = ::virDomainGetXMLDesc(domain, 0);
    if (text == nullptr) Connection::fail(domain_name(machine.job, machine.vm.index));
    pugi::xml_document document;
    document.load_string(text);
    std::free(text);
    const auto type = document.child("domain").child("os").child("type");
    Hardware hardware;
    hardware.type = type.attribute("machine").value();  // libvirt has put the alias' meaning there
    hardware.kvm = machine.kvm;
    hardware.cpu = !machine.cpu_model.empty() ? machine.cpu_model : machine.kvm ? "host" : "max";
    hardware.host_cpu = host_cpu();
    hardware.qemu = qemu_version(handle).text();
    return hardware;
}

std::string why_not_on(const Hardware& saved, virConnectPtr handle) {
    if (saved.layout != hardware_layout)
        return fmt::format(
            "it was saved by a release of Holon whose VMs have other devices "
            "(layout {}, here {})",
            saved.layout, hardware_layout);
    const std::string here = qemu_version(handle).text();
    if (!knows_machine(handle, saved.type))
        return fmt::format("QEMU {} here has no machine '{}'; it was saved by QEMU {}", here,
                           saved.type, saved.qemu);
    if (saved.cpu == "host" && saved.host_cpu != host_cpu())
        return fmt::format(
            "it ran on '{}' and this node has '{}'; set vm.cpu_model in holon.yaml "
            "so that VMs can move between them",
            saved.host_cpu, host_cpu());
    if (saved.cpu == "max" && saved.qemu != here)
        return fmt::format(
            "its emulated CPU is that of QEMU {}, here is {}; set vm.cpu_model in "
            "holon.yaml so that VMs outlive an upgrade",
            saved.qemu, here);
    return {};
}

}  // namespace holon::vm
