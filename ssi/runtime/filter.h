// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace holon::ssi {

/// Makes the kernel send SIGSYS for the calls that a prepared process traps (seccomp RET_TRAP),
/// except from the runtime's range. Inherited by threads, children and successors; installing it
/// again where it is in force does nothing. The calling thread must be the only one.
bool install_filter();

}  // namespace holon::ssi
