// SPDX-License-Identifier: GPL-2.0-or-later
// spank_holon.so: what happens in each of the processes that load it. One file per context;
// spank.cpp dispatches and is the only one that talks C. Functions here may throw; nothing of
// theirs gets past spank.cpp.
//
//   sbatch, salloc, srun          options.cpp, allocator.cpp
//   slurmstepd spank prolog       prolog.cpp
//   slurmstepd spank epilog       epilog.cpp
//   slurmstepd (root)             stepd.cpp
//   slurmstepd, the task (user)   task.cpp
#pragma once

#include <cstdint>
#include <string>

#include "plugins/spec/spec.h"
#include "spank/slurm.h"

namespace holon::spank {

// --- options.cpp
// -------------------------------------------------------------------------------------------------
void register_options(spank_t sp);
// What was given on this command line, in the environment it inherited, or (in slurmstepd) in the
// launch message.
const spec::Given& given();

// --- arguments of the plugstack line
// ------------------------------------------------------------------------------
struct Arguments {
    std::string socket;    // socket=PATH; holond's local socket
    std::string jobs_dir;  // beside it: one folder per VM job of this node, see job_record.h
};
const Arguments& arguments();

// --- the contexts; 0 is success
// ---------------------------------------------------------------------------------
void allocator_init();
void allocator_check(spank_t sp);  // after all options were read
// Prints LINE and ends sbatch, salloc or srun with status 1 ($SLURM_EXIT_ERROR). Returning an error
// instead makes Slurm add two lines of its own about plugins, or exit with 255. Nothing was asked
// of the controller yet.
[[noreturn]] void refuse(const std::string& line);
int prolog(spank_t sp);
int epilog(spank_t sp);
void extern_step(spank_t sp);  // its sleeping process lives: tell holond where the job's cgroup is
void forked_task(spank_t sp);  // the same, of a task
int task(spank_t sp);          // in the task itself, as the user, just before its program

}  // namespace holon::spank
