// SPDX-License-Identifier: GPL-2.0-or-later
// Disk files of any content are understood or refused: the qcow2 header, partition tables and
// superblocks.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "plugins/image/disk_probe.h"
#include "plugins/os/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try {
        if (holon::image::is_qcow2(bytes) &&
            holon::image::read_qcow2_header(bytes).virtual_size == 0)
            std::abort();
    } catch (const holon::Error&) {
    }
    try {
        int reads = 0;
        const auto root =
            holon::image::find_root([&](std::uint64_t offset, std::size_t wanted) -> std::string {
                // A chain of partitions that leads in a circle must end.
                if (++reads > 512) std::abort();
                if (offset >= bytes.size()) return {};
                return std::string(bytes.substr(offset, wanted));
            });
        if (root.type != "ext4" && root.type != "xfs") std::abort();
    } catch (const holon::Error&) {
    }
    return 0;
}
