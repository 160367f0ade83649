// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/usage_log.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "plugins/os/file.h"

namespace holon::node {
namespace {

class Usage : public ::testing::Test {
  protected:
    Usage() {
        std::string name = "/tmp/holon-usage-XXXXXX";
        folder = ::mkdtemp(name.data());
    }
    ~Usage() override { os::remove_tree(folder); }
    static nlohmann::json record(std::uint32_t job, const char* vm) {
        return {{"job", job}, {"vm", vm}, {"cpu_s", 1.5}};
    }
    std::filesystem::path folder;
};

TEST_F(Usage, OfAJobIsFoundAfterItsEnd) {
    const UsageLog log(folder / "usage");
    EXPECT_TRUE(log.of_job(42).empty());
    log.add({record(42, "vm0"), record(42, "vm1")});
    log.add({record(43, "vm0")});
    log.add({});
    const auto found = UsageLog(folder / "usage").of_job(42);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0]["vm"], "vm0");
    EXPECT_EQ(found[1]["vm"], "vm1");
}

TEST_F(Usage, ALineThatIsNoneCostsNoOther) {
    const UsageLog log(folder / "usage");
    log.add({record(42, "vm0")});
    std::ofstream(folder / "usage", std::ios::app) << "{\"job\":42,\"vm\":\"v";
    log.add({record(42, "vm1")});
    std::ofstream(folder / "usage", std::ios::app) << "[]\n\n{\"job\":\"42\"}\n";
    EXPECT_EQ(log.of_job(42).size(), 2u);
}

TEST_F(Usage, IsBoundedAndTheOldestGoes) {
    const UsageLog log(folder / "usage", 1000);
    for (std::uint32_t job = 0; job < 200; ++job) log.add({record(job, "vm0")});
    EXPECT_TRUE(log.of_job(0).empty());
    EXPECT_EQ(log.of_job(199).size(), 1u);
    EXPECT_EQ(log.of_job(185).size(), 1u);
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) bytes += file.file_size();
    EXPECT_LT(bytes, 2200u);
}

}  // namespace
}  // namespace holon::node
