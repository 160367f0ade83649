// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/usage.h"

#include <gtest/gtest.h>

namespace holon::vm {
namespace {

constexpr const char* stat =
    "812 (qemu (x) y) S 1 812 812 0 -1 138412416 9 0 0 0 1250 350 7 7 20 0 5 0 1 2 3\n";
constexpr const char* status =
    "Name:\tqemu\nVmPeak:\t 900 kB\nVmHWM:\t  532481 kB\nVmRSS:\t 1 kB\n";

TEST(VmUsage, IsUserAndSystemTimeAndTheMostMemory) {
    const auto usage = usage_from(stat, status, 100);
    ASSERT_TRUE(usage);
    EXPECT_DOUBLE_EQ(usage->cpu_s, 16.0);
    EXPECT_EQ(usage->peak_mb, 521u);
}

TEST(VmUsage, OfAProcessThatIsNoMoreThereIsNone) {
    EXPECT_FALSE(usage_from("", status, 100));
    EXPECT_FALSE(usage_from("812 (qemu) Z 1", status, 100));
    EXPECT_FALSE(usage_from(stat, "Name:\tqemu\n", 100));  // a zombie has no memory
    EXPECT_FALSE(usage_of("no-such-domain"));
}

}  // namespace
}  // namespace holon::vm
