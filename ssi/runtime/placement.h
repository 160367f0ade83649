// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi {

/// Chooses the node of a new thread and counts it there: thread->node, ->cpu, ->number. Starts what
/// the first thread on a node needs; where that cannot be had the thread stays at home.
void place_thread(Thread* thread);
/// The thread is gone. True: it was the last of the program.
bool unplace_thread(Thread* thread);

}  // namespace holon::ssi
