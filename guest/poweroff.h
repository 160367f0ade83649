// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace holon::guest {

// Ends every process (SIGTERM, two seconds, SIGKILL), writes everything back, makes the file
// systems read-only and switches the VM off.
[[noreturn]] void power_off();

}  // namespace holon::guest
