// SPDX-License-Identifier: GPL-2.0-or-later
// The prolog hands the job to holond and is done; VMs boot meanwhile. Whatever goes wrong is the
// job's fault or holond's, never a reason to drain the node: it is recorded, and holon-run says it
// to the user.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"
#include "spank/contexts.h"
#include "spank/job_record.h"

extern char** environ;

namespace holon::spank {
namespace {

// holond answers within milliseconds. On an overloaded node patience is cheaper than a failed job.
constexpr std::chrono::milliseconds budget{5000};

std::string variable(const char* name) {
    const char* text = std::getenv(name);
    return text != nullptr ? text : "";
}

// Slurm puts SPANK_ before what came from the job; in case it once does not:
std::string spec_text() {
    std::string name(spec::spec_variable);
    std::string text = variable(("SPANK_" + name).c_str());
    return text.empty() ? variable(name.c_str()) : text;
}

bool options_were_left() {
    spec::Given given;
    try {
        for (char** entry = environ; *entry != nullptr; ++entry)
            spec::read_spank_entry(*entry, given);
    } catch (const Error&) {
        return true;
    }
    return spec::wants_vms(given);
}

nlohmann::json request_for(spank_t sp, std::uint32_t job) {
    uid_t uid = 0;
    gid_t gid = 0;
    if (spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS ||
        spank_get_item(sp, S_JOB_GID, &gid) != ESPANK_SUCCESS)
        throw Error("Slurm did not say whose job this is");
    std::string nodes = variable("SLURM_JOB_NODELIST");
    if (nodes.empty()) nodes = variable("SLURM_NODELIST");  // before 24.11
    return {
        {"op", "prolog"},
        {"job", job},
        {"restart", static_cast<std::uint32_t>(
                        std::strtoul(variable("SLURM_JOB_RESTART_COUNT").c_str(), nullptr, 10))},
        {"uid", uid},
        {"gid", gid},
        {"user", variable("SLURM_JOB_USER")},
        {"node", variable("SLURMD_NODENAME")},
        {"nodes", nodes},
        {"cpus_per_node", variable("SLURM_JOB_CPUS_PER_NODE")},
        {"spec", nlohmann::json::parse(spec::to_json(spec::from_json(spec_text())))},
    };
}

}  // namespace

int prolog(spank_t sp) {
    std::string text = spec_text();
    if (text.empty() && !options_were_left()) return 0;
    std::uint32_t job = 0;
    if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS || job == 0) return 0;
    std::string node = variable("SLURMD_NODENAME");
    try {
        if (text.empty())
            throw Error(
                "the controller did not prepare this VM job: JobSubmitPlugins=holon is "
                "missing from slurm.conf, or PrologFlags=Alloc,DeferBatch (see holon doctor)");
        auto request = request_for(sp, job);
        auto client = rpc::Client::local(budget, arguments().socket);
        client.call(request, budget);
    } catch (const std::exception& error) {
        slurm_error("holon: job %u: %s", job, error.what());
        // Without the record the steps would take the job for an ordinary one and run it on the
        // host. Where it cannot be written the node is at fault.
        if (!record_failure(job, fmt::format("{}: {}", node, error.what()))) return -1;
    }
    return 0;
}

}  // namespace holon::spank
