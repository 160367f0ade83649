// SPDX-License-Identifier: GPL-2.0-or-later
// A thread that overflows its stack is told so on its alternate stack.
#include <setjmp.h>
#include <signal.h>

#include "program.h"

static thread_local char* alternate;
static thread_local sigjmp_buf out;
static constexpr std::size_t size = 64 * 1024;
static int on_alternate;

static void handler(int, siginfo_t*, void*) {
    char here;
    if (&here >= alternate && &here < alternate + size) add(on_alternate, 1);
    stack_t state;
    if (sigaltstack(nullptr, &state) != 0 || (state.ss_flags & SS_ONSTACK) == 0) _exit(6);
    siglongjmp(out, 1);
}

static int endless(volatile char* above) {
    volatile char frame[4096];
    frame[0] = above == nullptr ? char(1) : above[0];
    return frame[0] == 0 ? 0 : endless(frame) + frame[0];
}

int main() {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    MUST(sigaction(SIGSEGV, &action, nullptr) == 0);
    int recovered = 0;
    run_threads(3, [&](int) {
        stack_t state = {};
        MUST(sigaltstack(nullptr, &state) == 0 && (state.ss_flags & SS_DISABLE) != 0);
        alternate = static_cast<char*>(std::malloc(size));
        state.ss_sp = alternate;
        state.ss_size = size;
        state.ss_flags = 0;
        MUST(sigaltstack(&state, nullptr) == 0);
        if (sigsetjmp(out, 1) == 0) MUST(endless(nullptr) == 0);
        add(recovered, 1);
        state.ss_flags = SS_DISABLE;
        MUST(sigaltstack(&state, nullptr) == 0);
        std::free(alternate);
    });
    std::printf("recovered %d, on the alternate stack %d\n", recovered, on_alternate);
}
