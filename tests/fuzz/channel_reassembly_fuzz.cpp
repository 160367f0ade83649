// SPDX-License-Identifier: GPL-2.0-or-later
// Fragments in any order and of any size never make more than the limit. Three bytes describe one:
// offset, size, flags.
#include <cstdint>
#include <cstdlib>
#include <stdexcept>

#include "plugins/channel/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t limit = 600;
    holon::channel::Reassembly reassembly(limit);
    for (; size >= 3; data += 3, size -= 3) {
        holon::channel::Frame frame;
        frame.offset = data[0] == 255 ? ~std::uint64_t{0} : std::uint64_t{data[0]};
        frame.payload.assign(data[1], 'x');
        frame.flags = data[2] & 1;
        try {
            const auto text = reassembly.add(frame);
            if (text && (text->size() > limit || frame.flags == 0)) std::abort();
        } catch (const std::length_error&) {
        } catch (const std::runtime_error&) {
        }
    }
    return 0;
}
