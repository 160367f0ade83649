// SPDX-License-Identifier: GPL-2.0-or-later
// holon-run: the task proxy; see runner.h.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "spank/run/runner.h"

namespace {

// Slurm must see the end that the program had.
int end_as(const holon::run::Ending& ending) {
    if (ending.signal != 0) {
        rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::signal(ending.signal, SIG_DFL);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, ending.signal);
        ::raise(ending.signal);
        ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    }
    return ending.code;
}

}  // namespace

int main(int count, char** values) {
    try {
        auto arguments = holon::run::parse_arguments(count, values);
        if (arguments.help) {
            std::fputs(holon::run::usage, stdout);
            return 0;
        }
        ::close_range(3, ~0u, 0);  // what slurmstepd left open
        holon::run::Ending ending;
        {
            holon::run::Runner runner(std::move(arguments));
            ending = runner.run();
        }
        return end_as(ending);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "holon-run: %s\n", error.what());
        return 1;
    }
}
