// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/signals.h"

namespace holon::run {

const std::vector<int>& forwarded_signals() {
    static const std::vector<int> all = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,  SIGUSR1, SIGUSR2,
                                         SIGALRM, SIGCONT, SIGTSTP, SIGTTIN,  SIGTTOU, SIGXCPU,
                                         SIGXFSZ, SIGURG,  SIGPROF, SIGVTALRM};
    return all;
}

channel::Scope scope_of(int signal, bool batch) {
    if (!batch) return channel::Scope::all;
    switch (signal) {
        case SIGTERM:
        case SIGINT:
        case SIGHUP:
        case SIGQUIT:
        case SIGCONT:
        case SIGTSTP:
            return channel::Scope::all;
        default:
            return channel::Scope::main;
    }
}

bool ends_the_wait(int signal) {
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

}  // namespace holon::run
