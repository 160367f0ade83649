// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/ends.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "plugins/os/error.h"

namespace holon::vm {
namespace {

// How long libvirt gets to say why a QEMU is gone, before its end is told without a reason.
constexpr auto patience = std::chrono::seconds(3);

}  // namespace

Ends::Ends(std::function<void(const Ended&)> tell)
    : tell_(std::move(tell)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_.valid()) throw Error("eventfd: {}", errno_text());
    thread_ = std::thread([this] { run(); });
}

Ends::~Ends() {
    {
        std::lock_guard no_call_is_running(telling_);
        std::lock_guard guard(lock_);
        stopping_ = true;
    }
    wake();
    thread_.join();
}

void Ends::wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Ends::starting(const std::string& domain) {
    std::lock_guard guard(lock_);
    starting_[domain] = false;
}

bool Ends::started(const std::string& domain, pid_t qemu) {
    std::lock_guard guard(lock_);
    auto start = starting_.find(domain);
    if (start == starting_.end() || start->second) return false;
    starting_.erase(start);
    watch(domain, qemu);
    return true;
}

void Ends::adopt(const std::string& domain, pid_t qemu) {
    std::lock_guard guard(lock_);
    if (!watches_.contains(domain) && !starting_.contains(domain)) watch(domain, qemu);
}

void Ends::watch(const std::string& domain, pid_t qemu) {
    Watch made;
    made.process.reset(static_cast<int>(::syscall(SYS_pidfd_open, qemu, 0)));
    // Gone already: the thread tells it when libvirt does not.
    if (!made.process.valid()) made.patience_ends = Clock::now() + patience;
    watches_.insert_or_assign(domain, std::move(made));
    wake();
}

void Ends::forget(const std::string& domain) {
    std::lock_guard guard(lock_);
    starting_.erase(domain);
    watches_.erase(domain);
}

void Ends::ended(const std::string& domain, End how, const std::string& detail) {
    std::lock_guard one_at_a_time(telling_);
    {
        std::lock_guard guard(lock_);
        if (stopping_) return;
        if (auto start = starting_.find(domain); start != starting_.end()) {
            start->second = true;
            return;
        }
        if (watches_.erase(domain) == 0) return;
    }
    tell_({domain, how, detail});
}

std::set<std::string> Ends::watched() {
    std::lock_guard guard(lock_);
    std::set<std::string> names;
    for (const auto& [name, watch] : watches_) names.insert(name);
    return names;
}

void Ends::run() {
    for (;;) {
        std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}};
        std::vector<std::string> names{""}, overdue;
        std::optional<Clock::time_point> next;
        {
            std::lock_guard guard(lock_);
            if (stopping_) return;
            for (const auto& [name, watch] : watches_) {
                if (!watch.patience_ends) {
                    polled.push_back({watch.process.get(), POLLIN, 0});
                    names.push_back(name);
                } else if (*watch.patience_ends <= Clock::now()) {
                    overdue.push_back(name);
                } else {
                    next = std::min(next.value_or(*watch.patience_ends), *watch.patience_ends);
                }
            }
        }
        for (const auto& name : overdue) ended(name, End::killed, "its QEMU is gone");
        if (!overdue.empty()) continue;

        int timeout = -1;
        if (next)
            timeout = static_cast<int>(
                std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now()).count());
        // A descriptor that forget() closes meanwhile may name another file by now: what poll says
        // is only a hint, which is why the process is asked again under the lock.
        ::poll(polled.data(), polled.size(), std::max(timeout, next ? 0 : -1));
        std::uint64_t count = 0;
        [[maybe_unused]] ssize_t got = ::read(wake_.get(), &count, sizeof count);

        std::lock_guard guard(lock_);
        for (std::size_t i = 1; i < polled.size(); ++i) {
            auto found = watches_.find(names[i]);
            if (polled[i].revents == 0 || found == watches_.end()) continue;
            pollfd again{found->second.process.get(), POLLIN, 0};
            if (!found->second.patience_ends && ::poll(&again, 1, 0) > 0)
                found->second.patience_ends = Clock::now() + patience;
        }
    }
}

}  // namespace holon::vm
