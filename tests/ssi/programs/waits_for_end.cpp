// SPDX-License-Identifier: GPL-2.0-or-later
// A thread fills memory that only it touches, and then waits for the end of the standard input.
#include "program.h"

char words[8][4096];

int main() {
    run_threads(1, [](int) {
        for (auto& word : words) std::snprintf(word, sizeof word, "%s-%s", "written", "elsewhere");
        char byte;
        while (read(0, &byte, 1) == 1) {
        }
        std::puts(words[7]);
    });
}
