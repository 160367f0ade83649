// SPDX-License-Identifier: GPL-2.0-or-later
// Ends tells once, and only once, that a domain has ended. It has two sources, for neither
// suffices: libvirt's lifecycle events say why, but one that falls into a restart of libvirtd is
// never sent (seen with 9.0: a QEMU that dies while libvirtd connects to its monitor again is
// dropped in silence); the process itself always says that.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "plugins/os/fd.h"
#include "plugins/vm/vm.h"

namespace holon::vm {

class Ends {
  public:
    // TELL is called from a thread of this object or from one that calls ended(), never by two at
    // once.
    explicit Ends(std::function<void(const Ended&)> tell);
    ~Ends();  // waits for a running call of TELL; none follows
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;

    // An end between starting() and started() is not told, but makes started() return false.
    void starting(const std::string& domain);
    bool started(const std::string& domain, pid_t qemu);
    // Watches a domain that an earlier process of the daemon started. No effect on one that is
    // watched.
    void adopt(const std::string& domain, pid_t qemu);
    // Not watched any more: it could not be started, or is destroyed on purpose.
    void forget(const std::string& domain);

    // What libvirt says. Ignored for domains that are not watched.
    void ended(const std::string& domain, End how, const std::string& detail);
    std::set<std::string> watched();

  private:
    using Clock = std::chrono::steady_clock;
    struct Watch {
        os::Fd process;  // pidfd; readable when QEMU is gone
        std::optional<Clock::time_point>
            patience_ends;  // QEMU is gone; until then libvirt may say why
    };

    void watch(const std::string& domain, pid_t qemu);  // with lock_ held
    void run();
    void wake();

    std::function<void(const Ended&)> tell_;
    std::mutex telling_;  // held while tell_ runs
    std::mutex lock_;     // of all that follows
    bool stopping_ = false;
    std::map<std::string, bool> starting_;  // true: ended already
    std::map<std::string, Watch> watches_;
    os::Fd wake_;  // eventfd
    std::thread thread_;
};

}  // namespace holon::vm
