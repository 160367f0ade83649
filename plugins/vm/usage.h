// SPDX-License-Identifier: GPL-2.0-or-later
// What a VM has used of its node, as the kernel counts it for its QEMU: guest, devices and
// emulation together. Slurm's own accounting does not have it: VMs run beside the steps, in no
// step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holon::vm {

struct Usage {
    double cpu_s = 0;           // of all its threads, since QEMU was started
    std::uint64_t peak_mb = 0;  // most memory it had at once, in MiB, rounded up
};

// From the texts of /proc/PID/stat and /proc/PID/status (proc(5)); nullopt where they are none.
std::optional<Usage> usage_from(std::string_view stat, std::string_view status,
                                long ticks_per_second);
// Of the QEMU of DOMAIN; nullopt where it does not run. Any thread; reads two files of /proc.
std::optional<Usage> usage_of(const std::string& domain);

}  // namespace holon::vm
