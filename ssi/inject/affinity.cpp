// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/affinity.h"

#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "ssi/inject/process.h"
#include "ssi/runtime/layout.h"

namespace holon::ssi::inject {
namespace {

constexpr std::size_t max_masks = 4096;
constexpr rlim_t most_numbers = rlim_t{1} << 40;
// A call of the runtime's: the thread it is about has that mask already.
constexpr std::uint64_t remember_only = layout::range_begin + 1;

bool still_waits(const Affinity::Call& call) {
    std::uint64_t id = call.id;
    return ::ioctl(call.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

struct Status {
    uid_t real = 0, effective = 0;
    unsigned threads = 0;
};

bool read_status(pid_t task, Status& status) {
    std::ifstream in("/proc/" + std::to_string(task) + "/status");
    for (std::string line; std::getline(in, line);) {
        std::istringstream rest(line.substr(line.find(':') + 1));
        if (line.starts_with("Uid:")) rest >> status.real >> status.effective;
        if (line.starts_with("Threads:")) return static_cast<bool>(rest >> status.threads);
    }
    return false;
}

// As the kernel has it: root, or the owner.
bool may_change(pid_t task, const Status& target) {
    Status caller;
    if (!read_status(task, caller)) return false;
    return caller.effective == 0 || caller.effective == target.effective ||
           caller.effective == target.real;
}

bool bind(pid_t task, const KernelCpus& cpus) {
    if (!cpus.any()) return true;
    return ::sched_setaffinity(task, sizeof cpus, reinterpret_cast<const cpu_set_t*>(cpus.words)) ==
           0;
}

}  // namespace

KernelCpus usable_cpus() {
    KernelCpus cpus{};
    cpu_set_t* set = CPU_ALLOC(CpuMask::capacity * 4);
    if (::sched_getaffinity(0, CPU_ALLOC_SIZE(CpuMask::capacity * 4), set) == 0)
        std::memcpy(cpus.words, set, sizeof cpus.words);
    CPU_FREE(set);
    return cpus;
}

AllCpus all_cpus(const std::vector<NodeCpus>& nodes) {
    AllCpus all;
    for (const NodeCpus& node : nodes) {
        if (node.up) all.mask.add(all.total, node.count);
        all.total += node.count;
    }
    all.home = nodes.empty() ? 0 : nodes.front().count;
    return all;
}

std::uint32_t Affinity::home_count() const { return all_cpus(cpus_.nodes()).home; }

void Affinity::serve(const Call& call) {
    const Answer answer = call.set ? set(call) : get(call);
    seccomp_notif_resp response{};
    response.id = call.id;
    if (answer.by_kernel)
        response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (answer.value < 0)
        response.error = static_cast<std::int32_t>(answer.value);
    else
        response.val = answer.value;
    ::ioctl(call.listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

Affinity::Answer Affinity::get(const Call& call) {
    const auto given = static_cast<pid_t>(call.args[0]);
    const pid_t task = given == 0 ? call.task : given;
    if (given < 0 || (given != 0 && !same_numbers(call.task)) || !has_runtime(task))
        return {0, true};
    const AllCpus all = all_cpus(cpus_.nodes());
    const std::size_t bytes = affinity_bytes(all.total, static_cast<std::uint32_t>(call.args[1]));
    if (bytes == 0) return {-EINVAL};
    CpuMask mask = mask_of(task, all);
    const iovec local{mask.words, bytes};
    const iovec remote{reinterpret_cast<void*>(call.args[2]), bytes};
    if (!still_waits(call) ||
        ::process_vm_writev(call.task, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(bytes))
        return {-EFAULT};
    return {static_cast<std::int64_t>(bytes)};
}

Affinity::Answer Affinity::set(const Call& call) {
    const auto given = static_cast<pid_t>(call.args[0]);
    if (given < 0 || (given != 0 && !same_numbers(call.task))) return {0, true};
    const pid_t task = given == 0 ? call.task : given;
    if (!has_runtime(task)) return {0, true};
    CpuMask mask{};
    const std::size_t bytes =
        std::min<std::size_t>(static_cast<std::uint32_t>(call.args[1]), sizeof mask);
    const iovec local{mask.words, bytes};
    const iovec remote{reinterpret_cast<void*>(call.args[2]), bytes};
    if (bytes != 0 &&
        (::process_vm_readv(call.task, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(bytes) ||
         !still_waits(call)))
        return {-EFAULT};
    const AllCpus all = all_cpus(cpus_.nodes());
    mask.keep(all.mask);
    if (!mask.any()) return {-EINVAL};
    const pid_t process = process_of(task);
    if (call.args[4] == remember_only && process == process_of(call.task))
        return {remember(process, mask, all) ? 0 : -ENOMEM};

    Status status;
    if (!read_status(task, status)) return {-ESRCH};
    if (!may_change(call.task, status)) return {-EPERM};
    // Its threads are placed by the runtime in it, which nobody outside can tell.
    if (status.threads != 1) return {-EPERM};
    // It is at home, and stays there as long as it has no second thread.
    const KernelCpus part = part_of(mask, 0, all.home);
    if (!part.any()) return {-EINVAL};
    if (!bind(task, on_kernel(part, all.home, cpus_.kernel))) return {-errno};
    return {remember(process, mask, all) ? 0 : -ENOMEM};
}

CpuMask Affinity::mask_of(pid_t process, const AllCpus& all) {
    rlimit limit{};
    CpuMask mask = all.mask;
    if (::prlimit(process, RLIMIT_LOCKS, nullptr, &limit) == 0 && limit.rlim_cur < most_numbers) {
        const std::lock_guard lock(mutex_);
        const auto found = masks_.find(limit.rlim_cur);
        if (found != masks_.end()) mask.keep(found->second);
    }
    return mask.any() ? mask : all.mask;
}

bool Affinity::remember(pid_t process, const CpuMask& mask, const AllCpus& all) {
    rlimit limit{};
    if (::prlimit(process, RLIMIT_LOCKS, nullptr, &limit) != 0) return false;
    limit.rlim_cur = limit.rlim_max;
    if (mask != all.mask) {
        const std::lock_guard lock(mutex_);
        auto found = std::find_if(masks_.begin(), masks_.end(),
                                  [&](const auto& entry) { return entry.second == mask; });
        if (found == masks_.end()) {
            if (masks_.size() >= max_masks) forget_unused();
            if (masks_.size() >= max_masks) return false;
            found = masks_.emplace(next_++, mask).first;
        }
        limit.rlim_cur = found->first;
        limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
        return ::prlimit(process, RLIMIT_LOCKS, &limit, nullptr) == 0;
    }
    return ::prlimit(process, RLIMIT_LOCKS, &limit, nullptr) == 0;
}

// Under the lock.
void Affinity::forget_unused() {
    std::set<std::uint64_t> used;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const pid_t process = std::atoi(entry.path().filename().c_str());
        rlimit limit{};
        if (process > 0 && ::prlimit(process, RLIMIT_LOCKS, nullptr, &limit) == 0)
            used.insert(limit.rlim_cur);
    }
    std::erase_if(masks_, [&](const auto& entry) { return !used.contains(entry.first); });
}

void Affinity::executed(pid_t process) {
    rlimit limit{};
    if (::prlimit(process, RLIMIT_LOCKS, nullptr, &limit) != 0 || limit.rlim_cur >= most_numbers)
        return;
    const AllCpus all = all_cpus(cpus_.nodes());
    const KernelCpus part = part_of(mask_of(process, all), 0, all.home);
    // The thread that began it may have stood for one elsewhere, and was bound to nothing.
    bind(process, on_kernel(part, all.home, cpus_.kernel));
    if (!part.any()) remember(process, all.mask, all);
}

}  // namespace holon::ssi::inject
