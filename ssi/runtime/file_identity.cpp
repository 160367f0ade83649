// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/file_identity.h"

namespace holon::ssi {

bool identify(const char* path, FileIdentity& identity) {
    // struct stat of x86-64 (asm/stat.h); st_mode at 24, st_size at 48, st_mtim at 88.
    std::uint64_t stat[18];
    if (sys::call_with(__NR_newfstatat, -100, path, stat, 0) != 0) return false;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(stat);
    std::uint32_t mode;
    memcpy(&mode, bytes + 24, sizeof mode);
    std::int64_t seconds, nanoseconds;
    memcpy(&identity.size, bytes + 48, 8);
    memcpy(&seconds, bytes + 88, 8);
    memcpy(&nanoseconds, bytes + 96, 8);
    identity.modified = seconds * 1'000'000'000 + nanoseconds;
    return (mode & 0170000) == 0100000;
}

}  // namespace holon::ssi
