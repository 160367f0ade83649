// SPDX-License-Identifier: GPL-2.0-or-later
// What holon-run does with the signals that Slurm and the user send it.
#include <sys/signalfd.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "spank/run/runner.h"
#include "spank/run/signals.h"

namespace holon::run {

os::Fd open_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : forwarded_signals()) sigaddset(&set, signal);
    sigaddset(&set, SIGWINCH);
    ::sigprocmask(SIG_SETMASK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    os::Fd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!fd.valid()) throw Error("signalfd: {}", errno_text());
    return fd;
}

std::map<int, bool> signals_that_warn(const nlohmann::json& granted) {
    std::map<int, bool> signals;
    const auto found = granted.find("warned_by");
    if (found == granted.end()) return signals;
    try {
        for (const auto& entry : *found)
            signals[entry.at("signal").get<int>()] = entry.at("held").get<bool>();
    } catch (const std::exception& error) {
        throw Error("holond's word of the signals that warn cannot be read: {}", error.what());
    }
    return signals;
}

void Runner::pass_on(int signal) {
    const auto scope = scope_of(signal, arguments_.batch());
    if (const auto found = warned_by_.find(signal); found != warned_by_.end())
        conversation_->warned(signal, scope, found->second);
    else
        conversation_->signal(signal, scope);
}

void Runner::read_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        int signal = static_cast<int>(info.ssi_signo);
        if (signal == SIGWINCH) {
            if (conversation_ && terminal_.present()) {
                auto size = terminal_.size();
                conversation_->window_size(size.rows, size.columns);
            }
        } else if (conversation_) {
            pass_on(signal);
        } else if (ends_the_wait(signal)) {
            ending_ = Ending{128 + signal, signal};
            return;
        } else if (signal != SIGCONT && signal != SIGTSTP && early_signals_.size() < 16) {
            early_signals_.push_back(signal);
        }
    }
}

}  // namespace holon::run
