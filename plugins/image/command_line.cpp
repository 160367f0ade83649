// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/image.h"
#include "plugins/os/error.h"

namespace holon::image {
namespace {

// What makes a stock kernel boot fast in a VM, measured under TCG where each part counts most. The
// initcalls left out build tracing tables and load certificates that nobody in a job's VM uses.
constexpr const char* tuned =
    "quiet cryptomgr.notests mitigations=off nokaslr tsc=reliable no_timer_check "
    "initcall_blacklist=init_kprobe_trace,load_system_certificate_list,event_trace_init "
    "ipv6.disable=1 apparmor=0 audit=0 random.trust_cpu=on nowatchdog";

// x86's COMMAND_LINE_SIZE, with its closing zero; the kernel would cut what is longer without a
// word.
constexpr std::size_t longest = 2047;

}  // namespace

std::string command_line(const Image& image) {
    // panic=-1: restart at once, which ends QEMU, so that a dead guest is seen as dead.
    std::string line = fmt::format("{} console=ttyS0 rdinit=/holon/holon-guest panic=-1", tuned);
    if (!image.disk.empty())
        line += fmt::format(" holon.root={} holon.rootfstype={}", image.root, image.root_type);
    if (!image.command_line.empty()) line += " " + image.command_line;
    if (line.size() > longest)
        throw Error(
            "image '{}': the kernel's command line has {} characters; at most {} fit, shorten "
            "command_line",
            image.name, line.size(), longest);
    return line;
}

}  // namespace holon::image
