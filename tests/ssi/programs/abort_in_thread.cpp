// SPDX-License-Identifier: GPL-2.0-or-later
// abort() in a thread ends the process by SIGABRT.
#include <sys/resource.h>

#include "program.h"

int main() {
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    std::printf("before\n");
    std::fflush(stdout);
    run_threads(2, [&](int i) {
        if (i == 1) std::abort();
        for (;;) pause();
    });
}
