// SPDX-License-Identifier: GPL-2.0-or-later
//
// sched_getaffinity and sched_setaffinity of processes without threads, answered by the daemon: the
// CPUs of all nodes by their virtual numbers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "ssi/control/cpu_mask.h"

namespace holon::ssi::inject {

struct NodeCpus {
    std::uint32_t count = 0;
    bool up = false;
};

// What the daemon knows of the machine's CPUs. `kernel`: those of the home's kernel that programs
// use. `nodes`: asked anew each time, the home first, each node at its number.
struct Cpus {
    KernelCpus kernel{};
    std::function<std::vector<NodeCpus>()> nodes;
};

// The CPUs the caller may use, as far as 512 go.
KernelCpus usable_cpus();

// All CPUs of nodes that are up, and how many numbers there are.
struct AllCpus {
    CpuMask mask{};
    std::uint32_t total = 0;
    std::uint32_t home = 0;
};
AllCpus all_cpus(const std::vector<NodeCpus>& nodes);

// Remembers which CPUs a process asked for. A process's mask is inherited by what it forks and
// executes, of which the daemon hears nothing or too late. So the process carries it: the soft
// limit RLIMIT_LOCKS, which no kernel since 2.4.25 looks at, is inherited in just that way, and
// holds the number of the mask. A process that changes the limit itself falls back to what its
// kernel allows. Thread-safe.
class Affinity {
  public:
    explicit Affinity(Cpus cpus) : cpus_(std::move(cpus)) {}

    struct Call {
        int listener;
        std::uint64_t id;
        pid_t task;
        bool set;
        std::uint64_t args[5];
    };
    // Answers the call that waits at the listener.
    void serve(const Call& call);

    // The process begins a program, at home. With no CPU of the home in its mask this ends as when
    // the last CPU of a mask goes offline: it may use all.
    void executed(pid_t process);

    const KernelCpus& kernel() const { return cpus_.kernel; }
    std::uint32_t home_count() const;

  private:
    struct Answer {
        std::int64_t value = 0;
        bool by_kernel = false;
    };
    Answer get(const Call& call);
    Answer set(const Call& call);
    CpuMask mask_of(pid_t process, const AllCpus& all);
    bool remember(pid_t process, const CpuMask& mask, const AllCpus& all);
    void forget_unused();

    Cpus cpus_;
    std::mutex mutex_;
    std::map<std::uint64_t, CpuMask> masks_;
    std::uint64_t next_ = 1;
};

}  // namespace holon::ssi::inject
