// SPDX-License-Identifier: GPL-2.0-or-later
// The epilog is a barrier: when it has returned, nothing of the job's VMs is left on this node.
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"
#include "spank/contexts.h"
#include "spank/job_record.h"

namespace holon::spank {
namespace {

using Clock = std::chrono::steady_clock;

// holond may be on its way back up; ending VMs takes seconds.
constexpr std::chrono::seconds budget{60};
constexpr std::chrono::milliseconds pause{250};

void end_job(std::uint32_t job, std::chrono::milliseconds patience) {
    nlohmann::json request = {{"op", "epilog"}, {"job", job}, {"restart", nullptr}};
    if (const char* restart = std::getenv("SLURM_JOB_RESTART_COUNT"))
        request["restart"] = static_cast<std::uint32_t>(std::strtoul(restart, nullptr, 10));
    auto deadline = Clock::now() + patience;
    for (;;) {
        auto left = std::chrono::duration_cast<rpc::Timeout>(deadline - Clock::now());
        try {
            auto client = rpc::Client::local(std::max(left, rpc::Timeout{1}), arguments().socket);
            left = std::chrono::duration_cast<rpc::Timeout>(deadline - Clock::now());
            client.call(request, std::max(left, rpc::Timeout{1}));
            return;
        } catch (const Error&) {
            if (Clock::now() + pause >= deadline) throw;
        }
        // Nothing can be waited for: the socket of a daemon that is down is not there to be
        // watched.
        timespec interval{0, std::chrono::nanoseconds(pause).count()};
        ::nanosleep(&interval, nullptr);
    }
}

}  // namespace

int epilog(spank_t sp) {
    std::uint32_t job = 0;
    if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS) return 0;
    if (!is_vm_job(job) && std::getenv("SPANK_HOLON_SPEC") == nullptr) return 0;
    bool handed_over = !has_failure(job);
    try {
        end_job(job,
                handed_over ? std::chrono::milliseconds(budget) : std::chrono::milliseconds(2000));
    } catch (const Error& error) {
        slurm_error("holon: job %u: %s", job, error.what());
        if (handed_over)
            return -1;  // VMs may still run here: this is the node's fault, and drains it
    }
    if (has_failure(job)) remove_record(job);
    return 0;
}

}  // namespace holon::spank
