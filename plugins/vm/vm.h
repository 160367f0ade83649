// SPDX-License-Identifier: GPL-2.0-or-later
// Virtual machines of job runs on this node, through libvirt. A Hypervisor is one connection; its
// functions block, are thread-safe, and throw holon::Error that names the domain. Nothing here
// knows Slurm or holond's state.
//
// A VM is a transient domain "holon-<job>.<restart>-vm<i>": it is gone from libvirt when it has
// ended. It is created paused, QEMU as the job's user (DAC label, checked in /proc before anything
// runs), moved into the job's cgroup leaf, then resumed: guest memory is only touched inside the
// job's limits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/plan/plan.h"

namespace holon::vm {

struct Disk {
    std::filesystem::path overlay;  // qcow2, owned by the job's user; empty: the image has no disk
    std::filesystem::path
        base;  // its backing file, named in the XML so that libvirt probes nothing as root
    std::string base_format;  // "qcow2" or "raw"
};

struct Machine {
    plan::Job job;
    plan::Vm vm;
    uid_t uid = 0;
    gid_t gid = 0;          // of the QEMU process (group kvm where /dev/kvm needs it)
    bool kvm = false;       // else TCG
    std::string cpu_model;  // empty: host-passthrough (kvm) or maximum (tcg)
    std::uint64_t tcg_cache_mb = 64;
    std::filesystem::path kernel, initrd;
    std::string command_line;
    Disk disk;
    std::string bridge;  // empty: no NIC
    std::string tap;
    std::filesystem::path channel_socket;  // QEMU listens; virtio-serial port "org.holon.0"
    std::filesystem::path console_socket;  // QEMU listens; the guest's ttyS0
    std::string type;                      // QEMU's machine type; empty: its newest "pc"
    bool restored = false;                 // it waits for memory (load_memory) instead of booting
};

// Which devices a Machine has, and in which order: a saved VM can only be loaded into the same.
// Raise it with every change of domain_xml() that a guest could notice.
inline constexpr std::uint32_t hardware_layout = 1;

// A machine as its guest knows it, apart from its size.
struct Hardware {
    std::uint32_t layout = hardware_layout;
    std::string type;  // "pc-i440fx-7.2"
    bool kvm = false;
    std::string cpu;       // model; "host" (KVM) or "max" (TCG) without one
    std::string host_cpu;  // the processor's name
    std::string qemu;      // "7.2.22"
};

std::string domain_name(plan::Job job, std::uint32_t vm_index);
std::string domain_xml(const Machine& machine);  // pure; unit-tested

enum class End {
    shutdown,
    crashed,
    killed
};  // guest powered off; QEMU failed; destroyed or killed by a signal
struct Ended {
    std::string domain;
    End how{};
    std::string detail;  // libvirt's words
};

class Save;  // save.h
enum class SaveMethod;
struct SaveRequest {
    std::string domain;
    std::uint64_t memory_mb = 0;
    SaveMethod best{};  // another one is taken where QEMU or the host cannot
    // An empty qcow2 file on the same base as the VM's overlay, which QEMU may write to; gets what
    // the overlay holds at the cut. Empty: the VM has no disk.
    std::filesystem::path disk_copy;
    bool stay = false;  // it stands when it is saved
};

class Hypervisor {
  public:
    // Connects; ON_END is called from libvirt's event thread for every Holon domain that ends, also
    // after the daemon libvirtd was restarted (the connection is made again), one at a time; not
    // for those that destroy() ends. Never called after the destructor. Domains of an earlier
    // process are watched once domains() has named them. The process must ignore SIGPIPE: libvirt
    // writes to sockets whose other end may be gone.
    Hypervisor(const std::string& uri, std::function<void(const Ended&)> on_end);
    ~Hypervisor();

    // Creates the domain, paused, and returns the pid of QEMU, whose real, effective and saved uid
    // and gid were compared with MACHINE's, and which has no capabilities and no group that the
    // user has not (else the domain is destroyed and this throws).
    pid_t create_paused(const Machine& machine);
    void suspend(const std::string& domain);  // the VM stands; so it may have done
    void resume(const std::string& domain);
    void destroy(const std::string& domain);  // idempotent
    std::vector<std::string> domains();       // all active "holon-…" domains
    bool alive(const std::string& domain);

    // A save of a domain that runs (save.h). The Hypervisor must outlive it.
    std::unique_ptr<Save> save(const SaveRequest& request);
    // Ends what a daemon that died in mid-save left in QEMU; resume() then lets the VM run on.
    void end_save(const std::string& domain);
    // The machine that DOMAIN was made as.
    Hardware hardware(const std::string& domain, const Machine& machine);
    // Why a VM that was saved on HARDWARE cannot go on here; empty: it can.
    std::string cannot_restore(const Hardware& hardware);
    // Reads the memory of a domain that was created with Machine::restored, to the end of STREAM (a
    // pipe). Then resume() lets it go on.
    void load_memory(const std::string& domain, int stream);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Does hardware virtualisation really work? Boots KERNEL with -accel kvm, as nobody with the
// device's group, and waits (≤ 8 s) until it has come up: a /dev/kvm that exists but cannot run a
// stock kernel counts as absent. The answer is cached in CACHE_DIR/accelerator.json, keyed by the
// host's boot id, QEMU's version and the device's identity.
struct Acceleration {
    bool kvm = false;
    std::string reason;  // "a stock kernel booted under KVM in 0.4 s", "no /dev/kvm", …
};
Acceleration probe_acceleration(const std::filesystem::path& kernel,
                                const std::filesystem::path& cache_dir);

// --- The job's cgroup leaf
// ------------------------------------------------------------------------------------- Slurm's job
// container, learned from a process of it (the extern step): the directories "…/job_N" of each
// cgroup v1 controller that Slurm confines (memory, cpuset, cpuacct, …), or the one of cgroup v2.
// Survives daemon restarts.
struct JobCgroup {
    std::vector<std::filesystem::path> job_directories;  // one per hierarchy
    std::uint64_t memory_limit_mb = 0;                   // of the job on this node; 0: unlimited
    std::string cpus;  // cpuset of the job, "0-1"; empty: not confined
};
// Throws where MEMBER is in no cgroup of JOB.
JobCgroup find_job_cgroup(pid_t member, std::uint32_t job);
// The same from the texts of /proc/PID/cgroup and /proc/self/mountinfo; no directories where there
// is none.
JobCgroup find_job_cgroup(const std::string& membership, const std::string& mountinfo,
                          std::uint32_t job);
// Makes the leaf "holon" beside the steps in every hierarchy (cpuset copied from the job), and
// moves PID with all its threads in.
void enter_leaf(const JobCgroup& cgroup, pid_t pid);
// Number of processes the kernel killed for memory in the job so far
// (memory.oom_control/memory.events); 0 if not known.
std::uint64_t oom_kills(const JobCgroup& cgroup);
// Removes the leaves, and the job directories where Slurm could not because of them. Kills what is
// left in the leaf. Idempotent.
void remove_leaf(const JobCgroup& cgroup);

}  // namespace holon::vm
