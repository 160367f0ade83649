// SPDX-License-Identifier: GPL-2.0-or-later
// What a VM's machine is to its guest, and whether this host can be the same. Both throw as
// Connection's calls do.
#pragma once

#include <libvirt/libvirt.h>

#include <string>

#include "plugins/vm/vm.h"

namespace holon::vm {

Hardware hardware_of(virConnectPtr handle, virDomainPtr domain, const Machine& machine);
// Empty: it can.
std::string why_not_on(const Hardware& saved, virConnectPtr handle);

}  // namespace holon::vm
