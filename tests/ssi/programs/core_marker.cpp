// SPDX-License-Identifier: GPL-2.0-or-later
//
// A thread writes words to memory that only it touches, and another one dies of a fault. With a
// core dump the words are in it, wherever the threads were. Without an argument nobody dies.
#include "program.h"

int main(int argc, char**) {
    static char words[8][4096];
    run_threads(2, [](int number) {
        for (auto& word : words)
            if (number == 1) std::snprintf(word, sizeof word, "%s-%s", "written", "elsewhere");
    });
    run_threads(2, [argc](int number) {
        if (number == 1 && argc > 1) *static_cast<volatile int*>(nowhere()) = 1;
        if (number == 1) std::puts(words[7]);
    });
}
