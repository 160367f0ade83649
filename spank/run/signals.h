// SPDX-License-Identifier: GPL-2.0-or-later
// Which signals holon-run passes into the VM, and to whom there. Pure.
#pragma once

#include <csignal>
#include <string_view>
#include <vector>

#include "plugins/channel/frame.h"

namespace holon::run {

// All that are passed on. The others keep their default meaning for holon-run itself.
const std::vector<int>& forwarded_signals();

// A step's signals reach every process of the task, as slurmstepd's do. A batch script alone gets
// what `scancel --batch` and --signal=B: send it; what ends or stops a job is for everything it
// started.
channel::Scope scope_of(int signal, bool batch);

// Before the program runs there is nobody to pass these on to: they end holon-run.
bool ends_the_wait(int signal);

}  // namespace holon::run
