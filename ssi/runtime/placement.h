// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi {

/// The node of the mask with the fewest of this process's threads per CPU; 0 where none is up.
std::uint32_t emptiest(const CpuMask& mask);
bool may_leave();
/// Chooses the node of a new thread and counts it there: thread->node, ->cpu, ->number. Starts what
/// the first thread on a node needs; where that cannot be had the thread stays at home.
void place_thread(Thread* thread);
/// The thread is gone. True: it was the last of the program.
bool unplace_thread(Thread* thread);

}  // namespace holon::ssi
