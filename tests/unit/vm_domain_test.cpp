// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "plugins/vm/vm.h"

namespace holon::vm {
namespace {

Machine whole_machine() {
    Machine machine;
    machine.job = {42, 1};
    machine.vm.index = 3;
    machine.vm.cpus = 2;
    machine.vm.memory_mb = 512;
    machine.vm.mac = "02:00:00:2a:00:03";
    machine.uid = 1000;
    machine.gid = 1001;
    machine.kernel = "/images/tiny/vmlinux";
    machine.initrd = "/cache/tiny.cpio";
    machine.command_line = "quiet console=ttyS0 \"a<b\"";
    machine.disk = {"/run/job/vm3.qcow2", "/images/debian/disk.qcow2", "qcow2"};
    machine.bridge = "hb42.1";
    machine.tap = "ht42.3";
    machine.channel_socket = "/run/job/vm3.channel";
    machine.console_socket = "/run/job/vm3.console";
    return machine;
}

class Xml {
  public:
    explicit Xml(const Machine& machine) { document_.load_string(domain_xml(machine).c_str()); }
    std::string operator()(const char* path) const {
        auto found = document_.select_node(path);
        return found.attribute() ? found.attribute().value() : found.node().text().get();
    }
    std::size_t count(const char* path) const { return document_.select_nodes(path).size(); }

  private:
    pugi::xml_document document_;
};

TEST(VmDomain, IsNamedByJobRestartAndVm) {
    EXPECT_EQ(domain_name({42, 1}, 3), "holon-42.1-vm3");
    EXPECT_EQ(Xml(whole_machine())("/domain/name"), "holon-42.1-vm3");
}

TEST(VmDomain, RunsQemuAsTheUserByNumberAndRelabelsNothing) {
    Xml xml(whole_machine());
    EXPECT_EQ(xml("/domain/seclabel[@model='dac']/label"), "+1000:+1001");
    EXPECT_EQ(xml("/domain/seclabel/@type"), "static");
    EXPECT_EQ(xml("/domain/seclabel/@relabel"), "no");
}

TEST(VmDomain, SpellsOutTheWholeBackingChainSoThatNothingIsProbed) {
    Xml xml(whole_machine());
    EXPECT_EQ(xml("/domain/devices/disk/source/@file"), "/run/job/vm3.qcow2");
    EXPECT_EQ(xml("/domain/devices/disk/driver/@type"), "qcow2");
    EXPECT_EQ(xml("/domain/devices/disk/backingStore/format/@type"), "qcow2");
    EXPECT_EQ(xml("/domain/devices/disk/backingStore/source/@file"), "/images/debian/disk.qcow2");
    EXPECT_EQ(xml.count("/domain/devices/disk/backingStore/backingStore[not(node())]"), 1u);
}

TEST(VmDomain, HasNoDiskAndNoNicWhereTheMachineHasNone) {
    Machine machine = whole_machine();
    machine.disk = {};
    machine.bridge.clear();
    Xml xml(machine);
    EXPECT_EQ(xml.count("//disk"), 0u);
    EXPECT_EQ(xml.count("//interface"), 0u);
}

TEST(VmDomain, PutsTheNicOnTheJobsBridgeWithThePlansMacAndTap) {
    Xml xml(whole_machine());
    EXPECT_EQ(xml("//interface/source/@bridge"), "hb42.1");
    EXPECT_EQ(xml("//interface/target/@dev"), "ht42.3");
    EXPECT_EQ(xml("//interface/mac/@address"), "02:00:00:2a:00:03");
    EXPECT_EQ(xml("//interface/driver/@name"), "qemu");
}

TEST(VmDomain, IsEmulatedWithItsOwnCodeCacheWhereKvmDoesNotWork) {
    Xml xml(whole_machine());
    EXPECT_EQ(xml("/domain/@type"), "qemu");
    EXPECT_EQ(xml("/domain/cpu/@mode"), "maximum");
    EXPECT_EQ(xml("/domain/features/tcg/tb-cache"), "64");
    Machine machine = whole_machine();
    machine.kvm = true;
    Xml kvm(machine);
    EXPECT_EQ(kvm("/domain/@type"), "kvm");
    EXPECT_EQ(kvm("/domain/cpu/@mode"), "host-passthrough");
    EXPECT_EQ(kvm.count("//tcg"), 0u);
}

TEST(VmDomain, OffersByteWiseCopyingOnlyWhereTheCpuDoesItFast) {
    EXPECT_EQ(Xml(whole_machine())("/domain/cpu/feature[@name='erms']/@policy"), "disable");
    // Never one without the other: Linux 6.1 does not bear it.
    EXPECT_EQ(Xml(whole_machine())("/domain/cpu/feature[@name='fsrm']/@policy"), "disable");
    Machine machine = whole_machine();
    machine.kvm = true;
    EXPECT_EQ(Xml(machine).count("//feature"), 0u);
}

TEST(VmDomain, KeepsTheCommandLineAsItIsWhateverItHolds) {
    EXPECT_EQ(Xml(whole_machine())("/domain/os/cmdline"), "quiet console=ttyS0 \"a<b\"");
}

TEST(VmDomain, EndsWhenTheGuestReboots) {
    Xml xml(whole_machine());
    EXPECT_EQ(xml("/domain/on_reboot"), "destroy");
    EXPECT_EQ(xml("/domain/on_crash"), "destroy");
}

TEST(VmDomain, HasChannelAndConsoleOnSocketsThatQemuListensOn) {
    Xml xml(whole_machine());
    EXPECT_EQ(xml("//channel[target/@name='org.holon.0']/source[@mode='bind']/@path"),
              "/run/job/vm3.channel");
    EXPECT_EQ(xml("//serial/source[@mode='bind']/@path"), "/run/job/vm3.console");
}

TEST(VmDomain, OneThatComesFromACheckpointWaitsForItsMemoryInTheSameMachine) {
    Machine machine = whole_machine();
    EXPECT_EQ(Xml(machine)("/domain/os/type/@machine"), "pc");
    EXPECT_EQ(Xml(machine).count("//*[name()='qemu:arg']"), 0u);
    machine.restored = true;
    machine.type = "pc-i440fx-7.2";
    EXPECT_EQ(Xml(machine)("/domain/os/type/@machine"), "pc-i440fx-7.2");
    EXPECT_EQ(Xml(machine)("//*[name()='qemu:arg'][1]/@value"), "-incoming");
    EXPECT_EQ(Xml(machine)("//*[name()='qemu:arg'][2]/@value"), "defer");
}

}  // namespace
}  // namespace holon::vm
