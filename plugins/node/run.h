// SPDX-License-Identifier: GPL-2.0-or-later
// Run: one run (job id and restart count) of a VM job on this node, from prolog to epilog. It owns
// everything that the job has here: the folder with its state, the network, the VMs, the cgroup
// leaf; its end removes all of it. Every step of the way there and back can be repeated, and what
// was reached is on disk, so that a daemon that was killed goes on where the old one stopped and no
// VM notices.
//
//   prolog → image, job container (told by the extern step), plan → network → VMs in parallel →
//   ready → epilog
//
// The first node of the allocation is the head: the others report to it (peers.h), and it knows
// when all VMs are ready.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/image/image.h"
#include "plugins/node/console.h"
#include "plugins/node/epilog.h"
#include "plugins/node/source.h"
#include "plugins/node/vm_channel.h"
#include "plugins/os/process.h"
#include "plugins/plan/plan.h"
#include "plugins/spec/spec.h"
#include "plugins/vm/vm.h"

namespace holon::node {

struct Daemon;
class Cut;
class LocalSave;
class Migration;
class Preemption;
class Session;
class Suspension;
struct SaveOrder;

// What the prolog hands over.
struct Prolog {
    plan::Job job;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string user;
    std::string node;                // this one, as Slurm calls it
    std::vector<std::string> nodes;  // of the job, in Slurm's order
    std::vector<std::uint32_t> cpus;
    spec::Spec spec;
};

// loaded: from a checkpoint, it stands until all VMs of the job are loaded.
enum class VmState { waiting, booting, loaded, running, failed };
const char* to_string(VmState state);
VmState vm_state(const std::string& text);  // waiting for what is none

// A VM of which something is on this node (migration.h).
struct LocalVm {
    plan::Vm vm;
    bool home = true;        // the plan has it here: the sessions of its tasks are here
    bool here = true;        // its QEMU runs here
    bool connected = false;  // at home: its guest answers
    std::uint64_t leaving = 0, arriving = 0;  // the move by which it goes, or comes; else 0
    std::string machine_type;                 // of one that came from another node
    VmState state = VmState::waiting;
    bool started =
        false;  // its domain was created by this or an earlier daemon; never created twice
    bool loaded = false;    // from a checkpoint: its memory is all there
    bool stands = false;    // because the job is suspended
    double started_at = 0;  // seconds since the epoch
    std::string reason;
    std::shared_ptr<VmChannel> channel;
    std::shared_ptr<Console> console;
    std::vector<std::pair<std::string, double>> timings;  // phase → seconds it took
};

// Of whom a Session is.
struct SessionPlace {
    std::uint32_t vm = 0;  // index
    std::string step;      // "batch", "interactive" or the step's number
    bool marks = false;    // the client answers `mark`
};

// What is known here of a VM on any node of the job.
struct VmReport {
    VmState state = VmState::waiting;
    std::string reason;
    std::vector<std::string> console;  // last lines, where it failed
};

// What the machine of a --vm-smp job is called: "smp-42".
std::string smp_hostname(plan::Job job);

class Run : public std::enable_shared_from_this<Run> {
  public:
    Run(Daemon& daemon, Prolog prolog);
    ~Run();
    static std::shared_ptr<Run> load(Daemon& daemon, const std::filesystem::path& folder);

    // Puts the run on disk; after that it survives the daemon.
    void create_on_disk();
    void publish() const;           // /run/holon/jobs/<id>, which the step hooks read
    void start();                   // boots, or goes on booting, in the background
    void set_container(pid_t pid);  // a process of Slurm's extern step
    bool container_alive() const;
    Container container() const;
    bool host_rebooted() const { return host_rebooted_; }
    void domain_ended(const vm::Ended& ended);
    // Returns when nothing is left, throws where something cannot be removed; may be called again.
    Task<void> tear_down();

    const Prolog& prolog() const { return prolog_; }
    plan::Job job() const { return prolog_.job; }
    std::string name() const;  // "42.0"
    bool is_smp() const { return prolog_.spec.mode == spec::Mode::smp; }
    bool is_head() const { return prolog_.node == prolog_.nodes.front(); }
    const std::string& head() const { return prolog_.nodes.front(); }
    const std::optional<plan::Plan>& plan() const { return plan_; }
    const os::Identity& user() const { return user_; }
    std::vector<std::unique_ptr<LocalVm>>& vms() { return vms_; }
    const std::vector<std::string>& phases() const { return phases_; }
    const std::string& image_name() const { return prolog_.spec.image; }

    // The whole job, as known here: on the head from the peers' reports, elsewhere from the head's.
    bool ready() const { return ready_; }
    bool failed() const { return !failure_.empty(); }
    bool stopping() const { return stopping_; }
    const std::string& failure() const { return failure_; }
    const std::vector<std::string>& failure_console() const { return failure_console_; }
    double seconds_to_ready() const { return seconds_to_ready_; }
    size_t ready_count() const;
    size_t total_count() const;
    Clock::time_point boot_deadline() const;
    double boot_time_left() const;  // seconds until then; below 0 where it has passed

    // What the run goes on from, once that is known; null where it boots.
    const Source* source() const { return source_ ? &*source_ : nullptr; }
    bool goes_on() const { return !source_folder_.empty(); }  // from a checkpoint
    // Where checkpoints of this job go.
    std::string checkpoint_dir() const;
    // The saved session that a task of STEP in VM takes up; null where it starts its program.
    const checkpoint::SavedSession* session_to_go_on_with(const std::string& step,
                                                          std::uint32_t vm) const;

    void fail(const std::string& reason, std::vector<std::string> console = {});
    // A report from another node (on the head), or the head's view (elsewhere).
    void peer_report(std::uint32_t vm, const VmReport& report);
    void head_report(const nlohmann::json& view);
    nlohmann::json report_to_head() const;
    nlohmann::json view_for_peers() const;
    // The connection to NODE (on the head), or to the head (elsewhere), is lost.
    void peer_lost(const std::string& node, const std::string& why);

    // Begins a checkpoint, or joins the one that is being made (on the head). Throws where none can
    // be made now. STAY: the VMs stand afterwards (cut.h).
    std::shared_ptr<Cut> checkpoint(bool stay = false);
    std::shared_ptr<Cut> cut() const { return cut_; }  // the newest, also when it is over; or null
    // What the head wants of this node (local_save.h).
    void follow(const SaveOrder& order);
    std::shared_ptr<LocalSave> local_save() const { return save_; }
    std::string image_identity() const { return image_ ? image_->identity : std::string(); }
    // How VM is made here. Only where knows_machines(), which a new daemon does not at once.
    vm::Machine machine(const LocalVm& vm) const;
    bool knows_machines() const;
    // A new, empty overlay of the job's image at PATH, the user's. Blocks.
    void create_overlay(const std::filesystem::path& path) const;
    // The tasks that are attached to VMs of this node.
    std::map<Session*, SessionPlace>& sessions() { return sessions_; }
    Event& changed() { return changed_; }
    Preemption& preemption() { return *preemption_; }
    Suspension& suspension() { return *suspension_; }
    Migration& migration() { return *migration_; }
    // Null where nothing of it is here, or was.
    LocalVm* local_vm(std::uint32_t index);
    // The same for a VM that is to come.
    LocalVm& lodger(std::uint32_t index);
    Task<void> create_domain(LocalVm& vm, const vm::Machine& machine);
    // Of a VM whose domain is here, with its memory in place: it runs, and can be talked to.
    Task<void> take_over(LocalVm& vm);
    void lose(LocalVm& vm, const std::string& reason) { vm_failed(vm, reason); }
    Task<void> save_now() { return save(); }
    // What must end before anything is removed.
    void begin_work() { ++busy_; }
    void end_work();
    nlohmann::json guest_config(const plan::Vm& vm) const;
    const std::optional<vm::JobCgroup>& cgroup() const { return cgroup_; }
    pid_t container_pid() const { return container_pid_; }
    // A line for the user: of the batch script, or of the job's first task here.
    void tell_user(const std::string& line);
    // Ends every task on this node; each says REASON.
    void end_sessions(const std::string& reason);

    nlohmann::json vm_environment(const plan::Vm& vm) const;  // HOLON_* for a task in VM
    // How a virtual SMP is to look to a task: one node of this name, with all CPUs.
    nlohmann::json smp_environment() const;
    nlohmann::json status() const;
    // What its VMs here have used so far, as usage_log.h has it. Reads /proc.
    std::vector<nlohmann::json> usage() const;

  private:
    Daemon& daemon_;
    Prolog prolog_;
    os::Identity user_;
    std::filesystem::path folder_;
    std::optional<image::Image> image_;
    std::filesystem::path initrd_;
    std::optional<vm::JobCgroup> cgroup_;
    pid_t container_pid_ = 0;
    std::uint64_t container_start_ = 0;  // of that pid, so that a reused pid is not taken for it
    bool host_rebooted_ = false;         // since the run was saved: nothing of it lives
    std::uint64_t oom_kills_before_ = 0;
    std::optional<plan::Plan> plan_;
    std::vector<std::unique_ptr<LocalVm>> vms_;
    std::vector<VmReport> reports_;  // by VM index
    std::vector<std::string> phases_;
    size_t head_ready_ = 0, head_total_ = 0;
    bool ready_ = false, stopping_ = false, gone_ = false, tearing_ = false, saving_ = false;
    int busy_ = 0;  // coroutines that must end before anything is removed
    std::string failure_;
    std::vector<std::string> failure_console_;
    double prolog_at_ = 0, seconds_to_ready_ = 0;
    Event changed_;
    std::map<Session*, SessionPlace> sessions_;
    bool was_loaded_ = false;  // from an earlier daemon's folder
    std::shared_ptr<Cut> cut_;
    std::shared_ptr<LocalSave> save_;
    std::unique_ptr<Preemption> preemption_;
    std::unique_ptr<Suspension> suspension_;
    std::unique_ptr<Migration> migration_;
    std::unique_ptr<SaveOrder> next_save_;  // ordered while another was still being given up
    // run_restore.cpp
    std::optional<Source> source_;
    std::filesystem::path source_folder_;  // empty: it boots
    bool source_decided_ = false, all_loaded_ = false;

    bool may_have_source() const;
    Task<void> find_source();
    Task<void> choose_source();
    Task<void> choose_named_source();
    void accept_source();
    spec::Spec planned_spec() const;
    void keep_addresses();
    Task<void> check_hardware();
    Task<void> load(LocalVm& vm);
    void check_loaded();
    void end_other_sessions(LocalVm& vm);

    Task<void> sweep_checkpoints();
    Task<void> save_periodically();
    Task<void> boot();
    Task<void> boot_vm(LocalVm& vm);
    Task<void> wait_for_container();
    Task<void> make_plan();
    Task<void> make_network();
    void adopt_plan();
    void check_ready();
    void vm_failed(LocalVm& vm, const std::string& reason);
    Task<void> save();
    std::string to_json() const;
    void phase(const std::string& text);
    Task<void> record_usage();
    bool usage_recorded_ = false;
};

}  // namespace holon::node
