// SPDX-License-Identifier: GPL-2.0-or-later
//
// Signals that reach a body: its own faults, and what its deputy has for it.
#include "ssi/runtime/body_calls.h"
#include "ssi/runtime/body_space.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/signal_frame.h"

namespace holon::ssi {

void body_fault(Thread* thread, int signo, const sys::SigInfo& info, sys::UContext* context) {
    // What its vDSO stores is in registers: the store can be made at home as well.
    const bool in_vdso = context->rip >= layout::vdso && context->rip < layout::image;
    const bool memory = signo == sys::sig_segv || signo == sys::sig_bus;
    if (memory && (in_vdso || !layout::in_range(context->rip)) &&
        body_space::only_at_home(info.address, 1))
        go_home(thread, context, 1);
    if (layout::in_range(context->rip))
        die("a fault in the runtime", static_cast<long>(context->rip));
    sys::SigAction action{};
    const Call call{call_fault,
                    {signo, info.code, static_cast<std::int64_t>(info.address),
                     static_cast<std::int64_t>(context->rip)},
                    context->sigmask};
    // The deputy knows the program's handler; where there is none it ends the process.
    fetch_action(thread, call, action);
    sys::SigInfo as_seen = info;
    if (!push_signal(thread, *context, as_seen, action))
        die("a signal's frame does not fit the stack", signo);
}

}  // namespace holon::ssi
