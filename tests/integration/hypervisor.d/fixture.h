// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>

#include "bench.h"

namespace holon::trial {

// One libvirtd for all; a Hypervisor for each.
class HypervisorFixture : public ::testing::Test {
  protected:
    static inline Libvirtd libvirtd;
    static void SetUpTestSuite() { libvirtd.start(); }
    static void TearDownTestSuite() { libvirtd.stop(SIGTERM); }

    Ends ends;
    std::unique_ptr<vm::Hypervisor> hypervisor;
    void SetUp() override {
        hypervisor = std::make_unique<vm::Hypervisor>("qemu:///system",
                                                      [this](const vm::Ended& e) { ends.add(e); });
    }
    void TearDown() override {
        for (const auto& domain : hypervisor->domains()) hypervisor->destroy(domain);
    }

    pid_t boot(std::uint32_t index) {
        const vm::Machine made = machine(index);
        const pid_t pid = hypervisor->create_paused(made);
        hypervisor->resume(vm::domain_name(made.job, index));
        return pid;
    }
    static std::string name(std::uint32_t index) { return vm::domain_name({job_id, 0}, index); }
};

}  // namespace holon::trial
