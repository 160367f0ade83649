// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/wait.h"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>

namespace holon::ssi::daemon {
namespace {

constexpr int heartbeat_ms = 2000;
constexpr int retry_ms = 500, first_retry_ms = 25;
constexpr unsigned first_retries = 80;

}  // namespace

void wait_for_end() {
    sigset_t ends;
    ::sigemptyset(&ends);
    ::sigaddset(&ends, SIGTERM);
    ::sigaddset(&ends, SIGINT);
    int signal = 0;
    while (::sigwait(&ends, &signal) != 0) {
    }
    spdlog::info("ends after signal {}", signal);
}

void exit_now() {
    spdlog::default_logger()->flush();
    ::_exit(0);
}

void wait_for_heartbeat(int link, std::chrono::seconds timeout) {
    pollfd entry{link, POLLIN | POLLRDHUP, 0};
    ::poll(&entry, 1, std::min(heartbeat_ms, static_cast<int>(timeout.count()) * 1000 / 4));
}

void wait_before_retry(unsigned failed) {
    ::poll(nullptr, 0, failed <= first_retries ? first_retry_ms : retry_ms);
}

}  // namespace holon::ssi::daemon
