// SPDX-License-Identifier: GPL-2.0-or-later
// holon.yaml: the site's configuration, the same file on every host. etc/holon.yaml documents every
// key and is the reference. Unknown keys, wrong types and bad values are errors with file, line and
// column.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plan/plan.h"
#include "plugins/spec/spec.h"
#include "select/placement/placement.h"

namespace holon::config {

enum class Accelerator { automatic, kvm, tcg };

struct Config {
    std::filesystem::path file;  // where it was read from; empty for the built-in defaults

    std::filesystem::path state_dir =
        "/var/lib/holon/jobs";  // one folder per job run; overlays live here
    struct {
        std::uint16_t port = 6829;  // holond's TCP port, MUNGE-authenticated
    } rpc;
    struct {
        std::vector<std::filesystem::path> path = {"/var/lib/holon/images"};  // searched in order
        std::string default_image = "tiny";
        std::string user_file_kernel =
            "tiny";  // catalogue image whose kernel boots a user's own disk file
        bool allow_user_files = true;
    } images;
    struct {
        Accelerator accelerator = Accelerator::automatic;
        std::string cpu_model;  // libvirt's name; empty: host-passthrough (kvm), maximum (tcg)
        std::uint64_t memory_reserve_mb = 128;  // per VM, kept back for QEMU itself
        bool add_memory_reserve = false;        // on top of the job's memory, not out of it
        std::uint64_t default_memory_mb = 512;
        std::uint64_t tcg_cache_mb = 64;  // QEMU's translation cache
        std::uint32_t boot_timeout_s = 180;
        std::string libvirt_uri = "qemu:///system";
    } vm;
    struct {
        std::string subnet = "10.77.0.0/16";
        std::uint16_t vxlan_port = 4789;  // and the three above it, see plan.h
        std::uint32_t mtu = 1450;         // of the guests' interfaces
    } network;
    struct {
        bool encrypt = true;  // between the VMs of a virtual SMP
    } smp;
    struct {
        std::uint32_t max_vms = spec::max_vms;
        std::uint32_t max_vm_cpus = spec::max_vm_cpus;
        std::uint64_t max_vm_memory_mb = 0;  // 0: no limit but the allocation
        std::uint32_t max_boot_timeout_s = 3600;
        bool allow_smp = true;  // --vm-smp is accepted
        std::uint32_t max_smp_nodes = spec::max_smp_nodes;
        std::vector<spec::Limits::Rule> rules;
    } limits;

    struct {
        std::string dir = "~/.holon/checkpoints";  // of each user: "~" is the home, "%u" the name
        std::uint32_t keep = 2;                    // newest of each job
        std::uint64_t min_free_mb = 1024;          // of the file system, for others
        std::string compress = "auto";             // auto, zstd, none
    } checkpoints;

    // What select/placement weighs, and what of the site it cannot know from Slurm.
    struct {
        placement::Weights cluster = placement::cluster_weights;
        placement::Weights smp = placement::smp_weights;
        std::uint32_t candidates = 4;      // sets of nodes that are tried for one job
        std::vector<std::string> domains;  // "name=hostlist"; none: Slurm's topology.conf
    } placement;
    struct {
        // Hosts of `holond --controller`; none: Slurm's own SlurmctldHost lines.
        std::vector<std::string> hosts;
        std::filesystem::path state_dir = "/var/lib/holon/controller";
        std::uint16_t port = 6830;
        std::uint32_t heartbeat_s = 30;  // a node that is silent for four of them cannot host VMs
    } controller;

    plan::Sizing sizing() const;
    spec::Limits spec_limits() const;  // without the images
};

// TEXT as the content of FILE, whose name only serves the messages.
Config parse(std::string_view text, const std::filesystem::path& file);
// Throws holon::Error: "/etc/holon/holon.yaml:12:5: vm.memory_reserv: unknown key; did you mean
// memory_reserve?"
Config load(const std::filesystem::path& file);
// HOLON_CONFIG from the environment where it is set and the process is not set-id, else
// /etc/holon/holon.yaml; built-in defaults where the latter is missing.
Config load_default();

// Every key of holon.yaml ("vm.memory_reserve"), in the order of etc/holon.yaml.
std::vector<std::string> keys();
// The value in force of every key, one "key: value" line each, as it would be written in the file.
std::string describe(const Config& config);

}  // namespace holon::config
