// SPDX-License-Identifier: GPL-2.0-or-later
// Slurm's public headers as C++ can read them. Nothing here includes Slurm's internal headers, so
// one source serves every release.
#pragma once

extern "C" {
#include <slurm/slurm.h>
#include <slurm/slurm_version.h>
#include <slurm/spank.h>
}

// spank_prepend_task_argv came with 23.11; before it a task is replaced by execve in
// slurm_spank_task_init.
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 11, 0)
#define HOLON_CAN_PREPEND_ARGV 1
#else
#define HOLON_CAN_PREPEND_ARGV 0
#endif
