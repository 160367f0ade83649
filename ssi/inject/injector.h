// SPDX-License-Identifier: GPL-2.0-or-later
//
// Serves the filters of all programs under `ssi run`: puts the runtime into what they execute, and
// sends a process's first thread to the runtime.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "plugins/os/fd.h"
#include "ssi/inject/affinity.h"
#include "ssi/inject/blob.h"
#include "ssi/inject/runtime_file.h"

namespace holon::ssi::inject {

// Why a process runs without the engine. It is kept until the process is found to be another one.
struct Pinned {
    std::uint64_t started = 0;  // start time, tells a process from a later one of the same id
    std::string reason;
};

// ns of CPU time.
struct UsedElsewhere {
    std::uint64_t user = 0, system = 0;
};

struct Counters {
    std::atomic<std::uint64_t> execs{0}, failed{0}, pinned{0}, threads{0};
};

// Lets a call go on that a filter told of, without the engine. False when it is no longer waiting.
bool answer_continue(int listener, std::uint64_t id);

// True for the descriptor that a filter is served from.
bool is_listener(int fd);

// Threads that each serve one notification at a time from start to end, for a tracee belongs to the
// thread that seized it. A slow file system under an execve holds one thread; when all are busy
// another is started, up to a bound, and up to a lower one for each user: whose file system hangs
// keeps its own programs waiting. Lives as long as the daemon.
class Injector {
  public:
    // TRACED: hears, before it happens, that a process is to be traced, and by which user. It may
    // take its time: the tracer waits.
    using Traced = std::function<void(uid_t, pid_t)>;
    // What is known of CPU time on other nodes.
    struct Children {
        // What the children of a process that it has waited for, and theirs, have used; of one of
        // them alone, if its number is not 0.
        std::function<UsedElsewhere(pid_t, pid_t)> used;
        // Whether one that it has not waited for yet may have used something.
        std::function<bool(pid_t)> expected;
    };
    Injector(RuntimeFile runtime, std::string control_address, Cpus cpus, Traced traced,
             Children children);
    ~Injector();
    Injector(const Injector&) = delete;
    Injector& operator=(const Injector&) = delete;

    // FLAGS: of struct Parameters. OWNER: whose program it is. Throws Error when LISTENER is not
    // the listener of a filter.
    void serve(os::Fd listener, std::uint32_t flags, uid_t owner);

    // A process gets its first body, of which Children::expected knows already: those of its
    // ancestors that wait, and want to know what a child has used, go on waiting in their runtimes.
    // A process that waits for others costs no more than one question as it begins.
    void departed(pid_t process);

    const RuntimeFile& runtime() const { return runtime_; }
    const Counters& counters() const { return counters_; }
    std::map<pid_t, Pinned> pinned();

  private:
    struct Listener;
    struct Notification;

    void work();
    void start_thread();
    void serve_one(const std::shared_ptr<Listener>& listener);
    void forget(std::uint64_t id);
    void arm(const Listener& listener);
    bool begin(const Listener& listener);
    void end(const Listener& listener);
    void serve_call(Listener& listener);
    void serve_exec(Listener& listener, const Notification& call);
    void serve_clone(Listener& listener, const Notification& call);
    void serve_usage(Listener& listener, const Notification& call);
    void serve_wait(Listener& listener, const Notification& call);
    void hand_over(Listener& listener, const Notification& call, int what);
    static bool send_to_runtime(class Tracee& tracee, std::uint64_t number, int what);
    void pin(pid_t process, const char* reason);
    const char* inject(Listener& listener, class Tracee& tracee);

    RuntimeFile runtime_;
    std::string control_address_;
    Affinity affinity_;
    Traced traced_;
    Children children_;
    Counters counters_;
    os::Fd epoll_, wake_;
    std::size_t notification_size_ = 0;

    // Tasks that were let wait for a child, as one without bodies: the wait may be over.
    struct Wait {
        pid_t process;
        std::uint64_t started, number;
    };
    std::mutex waits_mutex_;
    std::map<pid_t, Wait> waits_;

    std::mutex mutex_;
    std::map<std::uint64_t, std::shared_ptr<Listener>> listeners_;
    std::map<pid_t, Pinned> pinned_;
    struct User {
        int busy = 0;                        // threads that serve its calls
        std::vector<std::uint64_t> waiting;  // listeners, until one of them is free
    };
    std::map<uid_t, User> users_;
    std::vector<std::thread> threads_;
    std::uint64_t next_id_ = 1;
    std::atomic<int> idle_{0};
    std::atomic<bool> changed_{false};
    std::atomic<bool> stop_{false};
};

}  // namespace holon::ssi::inject
