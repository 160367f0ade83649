// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/own_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "plugins/os/error.h"
#include "ssi/control/control.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::daemon {
namespace {

// This process as one with a runtime: with the page of parameters where it belongs.
class OwnMemory : public ::testing::Test {
  protected:
    const std::string proof = std::string(own_memory_proof - 1, '7') + '8';
    Parameters* parameters = nullptr;

    void SetUp() override {
        void* page =
            ::mmap(reinterpret_cast<void*>(layout::parameters), 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        ASSERT_NE(page, MAP_FAILED);
        parameters = static_cast<Parameters*>(page);
        std::memcpy(parameters->proof, proof.data(), proof.size());
    }
    void TearDown() override { ::munmap(parameters, 4096); }

    std::uint64_t page_of_parameters(const os::Fd& map) {
        std::uint64_t entry = 0;
        EXPECT_EQ(::pread(map.get(), &entry, sizeof entry,
                          static_cast<off_t>(layout::parameters / 4096 * sizeof entry)),
                  static_cast<ssize_t>(sizeof entry));
        return entry;
    }
};

TEST_F(OwnMemory, IsReadByTheProcessThatHasTheProof) {
    const os::Fd memory = open_memory_of(::getpid(), 0, proof);
    char there[own_memory_proof];
    ASSERT_EQ(::pread(memory.get(), there, sizeof there,
                      static_cast<off_t>(layout::parameters + offsetof(Parameters, proof))),
              static_cast<ssize_t>(sizeof there));
    EXPECT_EQ(std::string(there, sizeof there), proof);
}

TEST_F(OwnMemory, IsRefusedWithoutTheProofInIt) {
    std::memset(parameters->proof, 0, sizeof parameters->proof);
    EXPECT_THROW(open_memory_of(::getpid(), 0, proof), Error);
}

TEST_F(OwnMemory, IsRefusedForAProofOfZeros) {
    std::memset(parameters->proof, 0, sizeof parameters->proof);
    EXPECT_THROW(open_memory_of(::getpid(), 1, std::string(own_memory_proof, '\0')), Error);
}

TEST_F(OwnMemory, TellsWhichPagesAreThereAndNotWhereInTheMachine) {
    constexpr std::uint64_t present = std::uint64_t{1} << 63, frame = (std::uint64_t{1} << 55) - 1;
    const std::uint64_t entry = page_of_parameters(open_memory_of(::getpid(), 1, proof));
    EXPECT_NE(entry & present, 0u);
    EXPECT_EQ(entry & frame, 0u);
}

TEST_F(OwnMemory, LeavesTheDaemonItsRights) {
    const auto frames = [&] {
        return page_of_parameters(os::Fd(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)));
    };
    const std::uint64_t before = frames();
    open_memory_of(::getpid(), 1, proof);
    EXPECT_EQ(frames(), before);
}

}  // namespace
}  // namespace holon::ssi::daemon
