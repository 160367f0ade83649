// SPDX-License-Identifier: GPL-2.0-or-later
//
// The runtime's descriptors are the process's, because deputies need both; they lie where the
// program does not look: from its soft limit on, or at the top of the table where that is the hard
// limit.
#include "ssi/runtime/process.h"

namespace holon::ssi {
namespace {

constexpr long f_dupfd_cloexec = 1030, nofile = 7;  // RLIMIT_NOFILE
constexpr std::uint64_t wanted = 4096;
std::uint64_t base, last;

struct Limit {
    std::uint64_t soft, hard;
};

}  // namespace

RoomForDescriptors::RoomForDescriptors() {
    Limit limit{};
    sys::call_with(__NR_prlimit64, 0, nofile, 0, &limit);
    soft_ = limit.soft;
    if (limit.soft == limit.hard) return;
    limit.soft = limit.hard;
    sys::call_with(__NR_prlimit64, 0, nofile, &limit, 0);
    raised_ = true;
}

RoomForDescriptors::~RoomForDescriptors() {
    if (!raised_) return;
    Limit limit{};
    sys::call_with(__NR_prlimit64, 0, nofile, 0, &limit);
    limit.soft = soft_;
    sys::call_with(__NR_prlimit64, 0, nofile, &limit, 0);
}

int hide_descriptor(int fd) {
    Limit limit{};
    sys::call_with(__NR_prlimit64, 0, nofile, 0, &limit);
    if (base == 0)
        base = limit.hard >= limit.soft + wanted ? limit.soft : limit.hard - limit.hard / 8;
    Limit raised = limit;
    raised.soft = base + wanted < limit.hard ? base + wanted : limit.hard;
    const bool raise = raised.soft > limit.soft;
    if (raise) sys::call_with(__NR_prlimit64, 0, nofile, &raised, 0);
    const long hidden_fd = sys::call_with(__NR_fcntl, fd, f_dupfd_cloexec, base);
    if (raise) sys::call_with(__NR_prlimit64, 0, nofile, &limit, 0);
    if (sys::failed(hidden_fd)) return fd;
    sys::call(__NR_close, fd);
    if (static_cast<std::uint64_t>(hidden_fd) > last) last = static_cast<std::uint64_t>(hidden_fd);
    return static_cast<int>(hidden_fd);
}

bool hidden(std::uint32_t fd) {
    const HiddenRange mine = hidden_descriptors();
    return fd >= mine.begin && fd < mine.end;
}

HiddenRange hidden_descriptors() {
    return {static_cast<std::uint32_t>(base),
            base == 0 ? 0U : static_cast<std::uint32_t>(last + 1)};
}

}  // namespace holon::ssi
