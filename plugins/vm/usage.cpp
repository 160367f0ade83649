// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/usage.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::vm {
namespace {

// The first number of TEXT, behind blanks.
std::optional<std::uint64_t> number_in(std::string_view text) {
    const auto start = text.find_first_not_of(" \t");
    if (start == std::string_view::npos) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data() + start, text.data() + text.size(), value);
    if (error != std::errc{}) return std::nullopt;
    return value;
}

}  // namespace

std::optional<Usage> usage_from(std::string_view stat, std::string_view status,
                                long ticks_per_second) {
    // utime and stime are fields 14 and 15, counted behind the command's closing parenthesis.
    auto at = stat.rfind(')');
    for (int field = 2; field < 14 && at != std::string_view::npos; ++field)
        at = stat.find(' ', at + 1);
    if (at == std::string_view::npos) return std::nullopt;
    const auto user = number_in(stat.substr(at));
    at = stat.find(' ', at + 1);
    if (!user || at == std::string_view::npos) return std::nullopt;
    const auto system = number_in(stat.substr(at));
    constexpr std::string_view key = "VmHWM:";
    const auto line = status.find(key);
    if (!system || line == std::string_view::npos) return std::nullopt;
    const auto peak_kb = number_in(status.substr(line + key.size()));
    if (!peak_kb) return std::nullopt;
    return Usage{static_cast<double>(*user + *system) / static_cast<double>(ticks_per_second),
                 (*peak_kb + 1023) / 1024};
}

std::optional<Usage> usage_of(const std::string& domain) {
    try {
        const auto text = os::read_file_if_exists("/run/libvirt/qemu/" + domain + ".pid");
        const long pid = text ? std::strtol(text->c_str(), nullptr, 10) : 0;
        if (pid <= 1) return std::nullopt;
        const auto stat = os::read_file_if_exists(fmt::format("/proc/{}/stat", pid));
        const auto status = os::read_file_if_exists(fmt::format("/proc/{}/status", pid));
        if (!stat || !status) return std::nullopt;
        return usage_from(*stat, *status, ::sysconf(_SC_CLK_TCK));
    } catch (const Error&) {
        return std::nullopt;  // it ended between open and read
    }
}

}  // namespace holon::vm
