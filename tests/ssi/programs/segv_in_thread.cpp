// SPDX-License-Identifier: GPL-2.0-or-later
// A wild store in a thread ends the process by SIGSEGV.
#include <sys/resource.h>

#include "program.h"

int main() {
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    std::printf("before\n");
    std::fflush(stdout);
    run_threads(2, [&](int i) {
        if (i == 1) *static_cast<volatile int*>(nowhere()) = 1;
        for (;;) pause();
    });
}
