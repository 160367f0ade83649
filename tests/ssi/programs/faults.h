// SPDX-License-Identifier: GPL-2.0-or-later
//
// Touching memory that may not be there, and saying what came of it.
#pragma once

#include <setjmp.h>
#include <signal.h>

#include "program.h"

namespace faults {

inline thread_local sigjmp_buf back;
inline thread_local volatile bool trying;
inline thread_local siginfo_t last;

inline void handler(int, siginfo_t* info, void*) {
    if (!trying) _exit(3);
    last = *info;
    siglongjmp(back, 1);
}
inline void catch_them() {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    MUST(sigaction(SIGSEGV, &action, nullptr) == 0);
    MUST(sigaction(SIGBUS, &action, nullptr) == 0);
}
inline const char* name(int code) {
    if (last.si_signo == SIGBUS) return "bus error";
    return code == SEGV_MAPERR ? "not mapped" : code == SEGV_ACCERR ? "not allowed" : "other";
}
/// "ok", or why not, with the address checked.
inline const char* touch(volatile unsigned char* at, bool write) {
    if (sigsetjmp(back, 1) != 0) {
        trying = false;
        return last.si_addr == at ? name(last.si_code) : "WRONG ADDRESS";
    }
    trying = true;
    if (write)
        *at = *at;
    else
        (void)*at;
    trying = false;
    return "ok";
}

}  // namespace faults
