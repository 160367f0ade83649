// SPDX-License-Identifier: GPL-2.0-or-later
// Slurm's internal headers as C++: of exactly one release, the one that this build is for
// (scripts/slurm-headers). Nothing outside select/shadow may include this.
#pragma once

// extra_constraints.h (24.11 on) has a member of this name.
#define operator operator_
extern "C" {
#include <config.h>
// after config.h
#include <slurm/slurm_version.h>
#include <src/common/bitstring.h>
#include <src/common/list.h>
#include <src/common/node_conf.h>
#include <src/slurmctld/slurmctld.h>
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
#include <src/interfaces/select.h>
#else
#include <src/common/select.h>
#endif
}
#undef operator
#undef bit_test  // 24.11 on: a macro, where a function is wanted here
#undef error
#undef info

#define SLURM_ENTRY extern "C" __attribute__((visibility("default")))
