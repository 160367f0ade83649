// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/blob.h"

#include <gtest/gtest.h>

#include <cstring>

namespace holon::ssi::inject {
namespace {

constexpr std::uint64_t page = 0x7f12'3456'7000;

RuntimeFile a_runtime() {
    RuntimeFile runtime;
    runtime.path = "/usr/lib/holon/ssi-runtime";
    return runtime;
}

// Where the jump at the entry point leads, as an offset into the page.
std::int64_t target_of_jump(const Blob::Placed& placed, std::size_t offset) {
    std::int32_t distance = 0;
    std::memcpy(&distance, &placed.page[offset + 1], sizeof distance);
    return static_cast<std::int64_t>(offset) + 5 + distance;
}

TEST(Blob, EveryEntryPointOfAPageLeadsToTheWholeLoader) {
    Blob blob(a_runtime(), Parameters{});
    // The loader's first bytes, as they lie in the half where it never is overlaid.
    const Blob::Placed sample = blob.page_for(page);
    std::array<std::byte, 64> loader;
    std::memcpy(loader.data(), &sample.page[2048], loader.size());
    for (std::size_t offset = 0; offset < 4096; ++offset) {
        const Blob::Placed placed = blob.page_for(page + offset);
        std::int64_t start = static_cast<std::int64_t>(placed.start - page);
        if (placed.start == page + offset) {
            ASSERT_EQ(placed.page[offset], std::byte{0xe9}) << offset;
            ASSERT_LE(offset + 5, 4096u);
            start = target_of_jump(placed, offset);
        }
        ASSERT_TRUE(start == 0 || start == 2048) << offset;
        ASSERT_EQ(std::memcmp(&placed.page[static_cast<std::size_t>(start)], loader.data(),
                              loader.size()),
                  0)
            << offset;
    }
}

}  // namespace
}  // namespace holon::ssi::inject
