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

/// The limit is the process's: the first that needs room raises it, the last gives it back.
Lock room_lock;
Sequence closings;
std::uint32_t rooms;
Limit programs;

}  // namespace

RoomForDescriptors::RoomForDescriptors() {
    const Holding held(room_lock);
    if (rooms++ != 0) return;
    sys::call_with(__NR_prlimit64, 0, nofile, 0, &programs);
    const Limit limit{programs.hard, programs.hard};
    if (programs.soft != programs.hard) sys::call_with(__NR_prlimit64, 0, nofile, &limit, 0);
}

RoomForDescriptors::~RoomForDescriptors() {
    const Holding held(room_lock);
    if (--rooms != 0) return;
    if (programs.soft != programs.hard) sys::call_with(__NR_prlimit64, 0, nofile, &programs, 0);
    closings.advance();
}

NoRoomForDescriptors::NoRoomForDescriptors() {
    for (;;) {
        room_lock.acquire();
        const std::uint32_t seen = closings.now();
        if (rooms == 0) return;
        room_lock.release();
        closings.wait_for(seen + 1);
    }
}

void NoRoomForDescriptors::release() { room_lock.release(); }
void NoRoomForDescriptors::forget() { room_lock = Lock{}; }

int hide_descriptor(int fd) {
    const RoomForDescriptors room;
    {
        const Holding held(room_lock);
        if (base == 0)
            base = programs.hard >= programs.soft + wanted ? programs.soft
                                                           : programs.hard - programs.hard / 8;
    }
    const long hidden_fd = sys::call_with(__NR_fcntl, fd, f_dupfd_cloexec, base);
    if (sys::failed(hidden_fd)) return fd;
    sys::call(__NR_close, fd);
    const Holding held(room_lock);
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
