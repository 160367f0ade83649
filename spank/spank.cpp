// SPDX-License-Identifier: GPL-2.0-or-later
// The C entry points of spank_holon.so. Every one of them catches everything and answers with what
// harms least: in slurmd's processes that is success, because an error there drains the node.
#include "spank/contexts.h"

#include <exception>
#include <string_view>

#include "paths.h"

#define SPANK_ENTRY extern "C" __attribute__((visibility("default")))

// Declared first, or C++ gives the constants of SPANK_PLUGIN internal linkage and nothing is
// exported.
SPANK_ENTRY const char plugin_name[];
SPANK_ENTRY const char plugin_type[];
SPANK_ENTRY const unsigned int plugin_version;
SPANK_ENTRY const unsigned int spank_plugin_version;
SPANK_PLUGIN(holon, 1)

namespace holon::spank {
namespace {

Arguments& mutable_arguments() {
    static Arguments arguments = {paths::socket, std::string(paths::run_dir) + "/jobs"};
    return arguments;
}

void read_arguments(int count, char** values) {
    for (int i = 0; i < count; ++i) {
        std::string_view text = values[i];
        if (text.starts_with("socket=/")) {
            auto& arguments = mutable_arguments();
            arguments.socket = text.substr(7);
            arguments.jobs_dir = arguments.socket.substr(0, arguments.socket.rfind('/')) + "/jobs";
        } else {
            slurm_error("holon: plugstack: '%s': not known; known here: socket=PATH", values[i]);
        }
    }
}

template <typename Function>
int guarded(int on_error, int count, char** values, Function function) noexcept {
    try {
        static bool read = (read_arguments(count, values), true);
        (void)read;
        return function();
    } catch (const std::exception& error) {
        slurm_error("holon: %s", error.what());
    } catch (...) {
        slurm_error("holon: unknown exception");
    }
    return on_error;
}

bool is_step(spank_t sp, std::uint32_t which) {
    std::uint32_t step = 0;
    return spank_get_item(sp, S_JOB_STEPID, &step) == ESPANK_SUCCESS && step == which;
}

}  // namespace

const Arguments& arguments() { return mutable_arguments(); }

}  // namespace holon::spank

using namespace holon::spank;

SPANK_ENTRY int slurm_spank_init(spank_t sp, int count, char** values) {
    return guarded(0, count, values, [&] {
        auto context = spank_context();
        if (context == S_CTX_LOCAL || context == S_CTX_ALLOCATOR) allocator_init();
        register_options(sp);
        return 0;
    });
}

SPANK_ENTRY int slurm_spank_init_post_opt(spank_t sp, int count, char** values) {
    auto context = spank_context();
    if (context != S_CTX_LOCAL && context != S_CTX_ALLOCATOR) return 0;
    return guarded(-1, count, values, [&] {
        allocator_check(sp);
        return 0;
    });
}

SPANK_ENTRY int slurm_spank_job_prolog(spank_t sp, int count, char** values) {
    return guarded(0, count, values, [&] { return prolog(sp); });
}

SPANK_ENTRY int slurm_spank_job_epilog(spank_t sp, int count, char** values) {
    return guarded(0, count, values, [&] { return epilog(sp); });
}

SPANK_ENTRY int slurm_spank_task_post_fork(spank_t sp, int count, char** values) {
    return guarded(0, count, values, [&] {
        if (is_step(sp, SLURM_EXTERN_CONT))
            extern_step(sp);
        else
            forked_task(sp);
        return 0;
    });
}

// The one hook of slurmstepd that may fail: it ends the task, not the node, and a task that should
// have run in a VM must not run on the host.
SPANK_ENTRY int slurm_spank_task_init(spank_t sp, int count, char** values) {
    return guarded(-1, count, values, [&] { return task(sp); });
}
