// SPDX-License-Identifier: GPL-2.0-or-later
//
// This node's processor, as far as a thread could notice that it now runs on another.
#pragma once

#include <string>

#include "ssi/daemon/messages.h"

namespace holon::ssi::daemon {

Machine this_machine();

// Empty when equal, else one phrase that says what differs.
std::string difference(const Machine& home, const Machine& other);

// CPUs that this process may use.
unsigned usable_cpus();

}  // namespace holon::ssi::daemon
