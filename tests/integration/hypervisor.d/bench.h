// SPDX-License-Identifier: GPL-2.0-or-later
// A libvirtd of one's own, guests that boot in a second or two, and a Slurm-like cgroup of a job,
// for the trials of plugins/vm. hypervisor_test.sh makes the namespaces and directories that this
// expects.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/os/fd.h"
#include "plugins/vm/vm.h"

namespace holon::trial {

// For a machine that others use as well.
constexpr auto patience = std::chrono::minutes(2);

// HOLDS comes true in time.
bool eventually(const std::function<bool()>& holds);

// The daemon libvirtd, in the namespace of the test. Stopped with SIGKILL or SIGTERM; its QEMUs
// live on.
class Libvirtd {
  public:
    void start();
    void stop(int signal);

  private:
    pid_t pid_ = -1;
};

// The ends that a Hypervisor told.
class Ends {
  public:
    void add(const vm::Ended& ended);
    std::optional<vm::Ended> wait_for(const std::string& domain);
    std::vector<vm::Ended> all();

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::vector<vm::Ended> ends_;
};

// The guest's serial console.
class Console {
  public:
    explicit Console(const std::filesystem::path& socket);
    bool wait_for(const std::string& text);
    void say(const std::string& line);
    // Says LINE and returns the number after WORD in what follows.
    std::uint64_t ask(const std::string& line, const std::string& word);

  private:
    os::Fd socket_;
    std::string seen_;
};

// A job's cgroups as Slurm makes them, with a member process in step_extern. Memory limited to
// LIMIT_MB.
class Job {
  public:
    explicit Job(std::uint64_t limit_mb);
    ~Job();
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    pid_t member() const { return member_; }
    std::vector<std::filesystem::path> directories;  // …/job_7

  private:
    pid_t member_ = -1;
};
constexpr std::uint32_t job_id = 7;

// A VM of 256 MiB for uid 1000 that boots the test's own guest.
vm::Machine machine(std::uint32_t index);
// The same with the modules for a disk of 16 MiB and its base, which is empty; it has no overlay
// yet.
vm::Machine machine_with_disk(std::uint32_t index);
// A new overlay on MACHINE's base, its user's.
std::filesystem::path overlay(const vm::Machine& machine, const std::string& name);

std::string status_field(pid_t pid, const std::string& key);  // of /proc/PID/status, "" when gone
std::uint64_t number_in(const std::filesystem::path& file);

}  // namespace holon::trial
