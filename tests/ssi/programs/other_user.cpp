// SPDX-License-Identifier: GPL-2.0-or-later
// A program that gives up privileges, if it has any, and then gets threads.
#include <grp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program.h"

int main() {
    constexpr uid_t nobody = 65534;
    if (getuid() == 0)
        MUST(setgroups(0, nullptr) == 0 && setgid(nobody) == 0 && setuid(nobody) == 0);
    constexpr std::size_t size = 8 * 4096;
    auto* hidden = static_cast<char*>(
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(hidden != MAP_FAILED);
    std::memset(hidden, 7, size);
    MUST(mprotect(hidden, size, PROT_NONE) == 0);
    unsigned sum = 0;
    run_threads(3, [&](int me) {
        if (me == 1) {
            // What nobody may read moves like all else.
            MUST(mprotect(hidden, size, PROT_READ) == 0);
            for (std::size_t i = 0; i < size; ++i) add(sum, unsigned(hidden[i]));
        }
        MUST(setuid(0) == -1 || getuid() != nobody);
    });
    std::printf("sum %u\n", sum);
}
