// SPDX-License-Identifier: GPL-2.0-or-later
// sbatch, salloc and srun: what can be said before the controller is asked is said here. The
// controller checks everything again (plugins/job_submit).
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "spank/contexts.h"

extern char** environ;

namespace holon::spank {
namespace {

// sbatch and salloc hand their options down as SLURM_SPANK_<this>, and leave <this> itself in what
// they start.
std::string variable_of(std::string_view option) {
    std::string name = "_SLURM_SPANK_OPTION_holon_";
    for (char c : option) name += c == '-' ? '_' : c;
    return name;
}

std::string inherited_variable(std::string_view option) {
    return "SLURM_SPANK_" + variable_of(option);
}

// Slurm passes on every SLURM_SPANK_* entry, or drops it, depending on command and release: one
// that could only have been made by hand is refused before that.
void check_environment() {
    constexpr std::string_view prefix = "SLURM_SPANK_";
    for (char** at = environ; *at != nullptr; ++at) {
        std::string_view entry = *at;
        if (!entry.starts_with(prefix)) continue;
        entry.remove_prefix(prefix.size());
        if (!spec::is_holon_entry(entry)) continue;
        spec::Given one;
        if (!spec::read_spank_entry(entry, one))
            throw Error("{0}{1}: only the controller sets it; take it out of the environment",
                        prefix, spec::spec_variable);
        for (const auto& [name, text] : one)
            if (auto wrong = spec::check_option(name, text)) throw Error(*wrong);
    }
}

// An srun inside an allocation makes a step there, not a job.
bool makes_a_step() {
    return spank_context() == S_CTX_LOCAL &&
           (std::getenv("SLURM_JOB_ID") != nullptr || std::getenv("SLURM_JOBID") != nullptr);
}

spec::Given& inherited() {
    static spec::Given options;
    return options;
}

// A step runs where the job's VMs are: options that shape them come too late.
void check_step() {
    for (const auto& [name, text] : given()) {
        if (name == "no-vm") continue;
        auto before = inherited().find(name);
        if (before != inherited().end() && before->second == text) continue;
        if (!spec::wants_vms(inherited()))
            refuse("--" + name +
                   ": this allocation has no VMs; give it to the sbatch, salloc or srun that "
                   "allocates");
        slurm_info("--%s: counts when the job is allocated; this step runs in the VMs it has",
                   name.c_str());
    }
}

// ./image means the directory this command runs in, whatever --chdir says about the job's: the path
// that the controller gets is absolute.
void send_absolute(spank_t sp, const char* option, const std::string& absolute) {
    auto as_given = given().find(option);
    if (as_given == given().end() || as_given->second == absolute) return;
    std::string variable = variable_of(option);
    if (spank_job_control_setenv(sp, variable.c_str(), absolute.c_str(), 1) != ESPANK_SUCCESS)
        throw Error("--{}={}: could not be made absolute; give an absolute path", option,
                    as_given->second);
}

// What can be said of --vm-restart without knowing the checkpoint, which the controller does.
void check_restart(spank_t sp, const spec::Request& request) {
    const auto name = spec::restart_name(given().at("vm-restart"), request.work_dir);
    const auto spec = spec::build_restart(given(), {}, request, {}, name);
    if (!name.folder.empty()) send_absolute(sp, "vm-restart", name.folder);
    send_absolute(sp, "vm-checkpoint-dir", spec.checkpoint_dir);
}

// A file of the user's, tried with the user's own rights. The nodes do so again: only they know
// what they see there.
void check_image_file(const spec::Spec& spec) {
    if (!spec.image.starts_with('/')) return;
    constexpr const char* advice =
        "give a disk file that you can read, on this host and on the nodes, or an image's name "
        "(see holon image list)";
    // O_NONBLOCK: a FIFO would wait for its writer
    os::Fd file(::open(spec.image.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file.valid()) throw Error("--vm-image={}: {}; {}", spec.image, errno_text(), advice);
    struct stat facts {};
    if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
        throw Error("--vm-image={}: not a regular file; {}", spec.image, advice);
}

}  // namespace

void allocator_init() {
    for (const auto& option : spec::options())
        if (const char* text = std::getenv(inherited_variable(option.name).c_str()))
            inherited()[option.name] = std::string_view(text) == "(null)" ? "" : text;
    // `sbatch --no-vm` keeps its script on the host, and exactly not what the script starts with
    // srun.
    if (std::getenv("SLURM_JOB_ID") != nullptr || std::getenv("SLURM_JOBID") != nullptr) {
        ::unsetenv(inherited_variable("no-vm").c_str());
        ::unsetenv(variable_of("no-vm").c_str());
    }
}

void refuse(const std::string& line) {
    slurm_error("%s", line.c_str());
    std::fflush(nullptr);
    const char* status = std::getenv("SLURM_EXIT_ERROR");
    // not exit(3): its handlers would unload this plugin from under us
    ::_exit(status != nullptr && std::atoi(status) != 0 ? std::atoi(status) : 1);
}

void allocator_check(spank_t sp) {
    if (makes_a_step()) return check_step();
    try {
        check_environment();
    } catch (const Error& forged) {
        refuse(forged.what());
    }
    if (given().empty() || (given().size() == 1 && given().contains("no-vm"))) return;
    spec::Request request;
    std::error_code error;
    request.work_dir = std::filesystem::current_path(error).string();
    try {
        if (given().contains("vm-restart")) return check_restart(sp, request);
        // What the site offers is the controller's to know (job_submit).
        spec::Limits any;
        any.allow_smp = true;
        auto spec = spec::build(given(), any, request);
        check_image_file(spec);
        send_absolute(sp, "vm-image", spec.image);
        send_absolute(sp, "vm-checkpoint-dir", spec.checkpoint_dir);
    } catch (const Error& wrong) {
        refuse(wrong.what());
    }
}

}  // namespace holon::spank
