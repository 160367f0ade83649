// SPDX-License-Identifier: GPL-2.0-or-later
// The spec: what a user asked of Holon, parsed once and passed on in one canonical form.
//
// Life of a spec: spank_holon.so collects --vm-* options; job_submit_holon.so reads them from the
// job's SPANK environment, builds a Spec, validates it, and stores to_json(spec) there as
// HOLON_SPEC (all other Holon entries are removed); slurmd hands it to the prolog as
// SPANK_HOLON_SPEC; holond re-validates it and keeps it. Pure: no I/O, no globals; any thread. Used
// inside slurmctld, so it links nothing but nlohmann/json and fmt.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace holon::spec {

// The most that a job can ask for; a site may allow less (holon.yaml). Interface names are the
// limit of the first: "ht67043328.4095" is as long as the kernel allows.
inline constexpr std::uint32_t max_vms = 4096;
inline constexpr std::uint32_t max_smp_nodes = 32;  // the engine's (ssi/control/control.h)
inline constexpr std::uint32_t max_vm_cpus = 1024;  // QEMU's own order of magnitude

// smp: one VM on each node, sized to what the job has there, whether two nodes give as much or not.
enum class Mode { cluster, smp };
enum class Network { private_, none };  // "private", "none"

// One VM as a checkpoint has it, to be had again as it was.
struct Shape {
    std::uint32_t cpus = 0;
    std::uint64_t memory_mb = 0;  // MiB, without QEMU's own
    bool operator==(const Shape&) const = default;
};

// What a job goes on from (--vm-restart).
struct Restart {
    std::uint32_t job = 0;     // that was checkpointed
    std::uint32_t number = 0;  // of the checkpoint; 0: the newest
    std::string folder;        // of that job's checkpoints, absolute
    std::vector<Shape> vms;    // by index; what nodes are asked for
    bool operator==(const Restart&) const = default;
};

struct Spec {
    Mode mode = Mode::cluster;
    std::uint32_t vm_count = 0;  // 0: one VM per allocated node
    std::string image;          // catalogue name, or an absolute path; never empty after validation
    std::uint32_t vm_cpus = 0;  // per VM; 0: the node's CPUs divided among its VMs
    std::uint64_t vm_memory_mb = 0;  // MiB per VM; 0: the node's memory, less the reserve, divided
    Network network = Network::private_;
    std::uint32_t boot_timeout_s =
        0;  // seconds from the prolog to all VMs ready; 0: the site's default
    bool script_on_host =
        false;               // --no-vm given to sbatch/salloc: the script runs on the node itself
    std::string submit_dir;  // against which ./image paths were resolved
    std::string
        seed;  // 64 hex digits of getrandom(2), made at submit; the job's keys derive from it
    std::uint64_t node_memory_mb =
        0;  // --mem as Slurm will hold it, MiB per node; 0: unknown or per CPU
    std::uint64_t cpu_memory_mb = 0;  // --mem-per-cpu, MiB; 0: unknown or per node
    // --vm-checkpoint: the job is one that goes on from its newest checkpoint when it is requeued.
    bool checkpoints = false;
    std::uint32_t checkpoint_every_s = 0;  // seconds between two; 0: only when told to
    // --vm-checkpoint-before: the same, and saved so many seconds before the time limit; 0: not.
    std::uint32_t checkpoint_before_s = 0;
    std::string checkpoint_dir;  // as --vm-checkpoint-dir has it; empty: the site's
    // What the user had wished of a job whose life Holon has taken over (job_submit).
    bool wished_no_requeue =
        false;  // then one that cannot go on from a checkpoint does not begin anew
    bool wished_truncate = false;  // then a run that begins anew truncates the output files
    // The signal by which Slurm warns the batch script (--signal=B:…); 0: none. It is Holon's where
    // the user had none: then it is no business of the script.
    std::uint32_t warn_signal = 0;
    bool warn_signal_is_ours = false;
    std::uint32_t warn_before_s = 0;  // how long before the time limit it comes, at least
    std::optional<Restart> restart;
};

// One --vm-* option of sbatch, salloc and srun. The table is the single source for SPANK
// registration, --help, the man page and error messages.
struct Option {
    const char* name;   // "vm-cpus"
    const char* arg;    // "N", nullptr if it takes none
    bool arg_optional;  // --vm-cluster[=N]
    const char* usage;  // help text, starts with "[vm] ", fits 80 columns as Slurm prints it
    const char*
        accepted;  // what an error message says is accepted: "a whole number from 1 to 1024"
};
const std::vector<Option>& options();

// Options as given: name ("vm-cpus") → text ("" where none was given).
using Given = std::map<std::string, std::string>;

// Limits that a site sets (holon.yaml) and the facts of the request that job_submit knows. 0 =
// unknown/unlimited.
struct Limits {
    std::uint32_t max_vms = 0;
    std::uint32_t max_vm_cpus = 0;
    std::uint64_t max_vm_memory_mb = 0;
    std::uint32_t max_boot_timeout_s = 0;
    std::uint64_t memory_reserve_mb = 0;  // per VM, kept back from the job's memory for QEMU itself
    bool allow_user_files = true;         // --vm-image=/path is accepted
    bool allow_smp = false;               // --vm-smp is accepted
    std::uint32_t max_smp_nodes = 0;      // of one job
    // Whether the reserve is asked for on top of the job's memory, so that its VMs get all of that,
    // instead of being taken off it.
    bool add_memory_reserve = false;
    std::string default_image = "tiny";
    struct Image {
        std::string name;
        std::uint64_t min_memory_mb = 0;
    };
    std::vector<Image>
        images;  // catalogue known to the controller; empty: images are not checked here
    // What holds for some jobs instead. A rule is for the jobs that all of its texts name (empty:
    // any); of several that fit, later ones win.
    struct Rule {
        std::string partition, user, image;
        bool allow = true;  // false: no VM job of these
        std::optional<std::uint32_t> max_vms, max_vm_cpus, max_boot_timeout_s;
        std::optional<std::uint64_t> max_vm_memory_mb;
        std::optional<bool> allow_smp, allow_user_files;
        bool operator==(const Rule&) const = default;
    };
    std::vector<Rule> rules;
};
// A checkpoint that the controller has been told of.
struct Known {
    std::uint32_t job = 0, uid = 0;
    std::uint32_t number = 0;
    Mode mode = Mode::cluster;
    Network network = Network::private_;
    std::string image, folder;
    std::vector<Shape> vms;
};

struct Request {
    std::uint32_t min_nodes = 0, max_nodes = 0, cpus_per_node = 0;  // 0: not known at submit
    std::uint64_t node_memory_mb = 0, cpu_memory_mb = 0;
    std::string work_dir;                               // resolves ./image
    bool tasks_per_node = false, distribution = false;  // the user asks for such
};

// LIMITS as they are for one job: its rules are put into force. A job may name several partitions
// ("a,b"); a rule of any of them holds, because the job may start there. Throws holon::Error where
// such jobs are not allowed at all. An empty IMAGE is the site's default; an empty PARTITION is not
// known.
Limits limits_for(const Limits& limits, std::string_view partition, std::string_view user,
                  std::string_view image);

// The most nodes that a virtual SMP may have: what the user says and what the site allows. Throws
// holon::Error where that cannot be.
std::uint32_t most_smp_nodes(const Given& given, const Limits& limits, const Request& request);

// True where GIVEN asks for VMs at all (a mode option is present, or --vm-restart).
bool wants_vms(const Given& given);

// Checks one option's text alone; used at the command line so that the error comes before anything
// is sent. Returns the error line ("--vm-cpus=0: not accepted; give a whole number from 1 to
// 1024"), nullopt if good.
std::optional<std::string> check_option(std::string_view name, std::string_view text);

// Builds and validates the spec. Throws holon::Error with one line that names the option and what
// is accepted.
Spec build(const Given& given, const Limits& limits, const Request& request);

// The checkpoint that --vm-restart names, in words: a job's id, or the folder of its checkpoints,
// or of one of them.
struct RestartName {
    std::uint32_t job = 0;     // 0: FOLDER says which
    std::uint32_t number = 0;  // 0: the newest
    std::string folder;        // absolute, without a trailing '/'
};
// RELATIVE_TO is where ./ begins. Nothing is looked at. Throws holon::Error.
RestartName restart_name(std::string_view text, const std::string& relative_to);
// The spec of a job that goes on from KNOWN, which was found by NAME. Throws holon::Error where an
// option is given that the checkpoint has the say in.
Spec build_restart(const Given& given, const Limits& limits, const Request& request,
                   const Known& known, const RestartName& name);

// Canonical JSON: one line, sorted keys, "v":1. from_json validates every field and throws on
// unknown keys.
std::string to_json(const Spec& spec);
Spec from_json(std::string_view text);

// --- Slurm's SPANK environment
// ------------------------------------------------------------------------------- Entries look like
// "_SLURM_SPANK_OPTION_holon_vm_cpus=4" (every character outside [A-Za-z0-9] of the option's name
// is '_'; Slurm 22.05 src/common/plugstack.c _opt_env_name), with "(null)" for an option without
// argument, and may carry a "SPANK_" prefix in prolog environments.
inline constexpr std::string_view spec_variable = "HOLON_SPEC";

// If ENTRY ("NAME=VALUE") is one of Holon's options, adds it to GIVEN and returns true. An entry
// that carries Holon's prefix but no known option is an Error: it was forged or comes from another
// release.
bool read_spank_entry(std::string_view entry, Given& given);
// True for every entry that is Holon's to remove (options and HOLON_SPEC, prefixed or not).
bool is_holon_entry(std::string_view entry);

// --- Grammar
// ---------------------------------------------------------------------------------------------------
// Slurm's --mem grammar: digits with an optional K, M, G or T (powers of 1024; default M), rounded
// up to MiB.
std::uint64_t parse_memory_mb(std::string_view text);
// Slurm's time grammar: minutes, minutes:seconds, hours:minutes:seconds,
// days-hours[:minutes[:seconds]].
std::uint32_t parse_time_s(std::string_view text);

}  // namespace holon::spec
