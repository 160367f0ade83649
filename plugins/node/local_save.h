// SPDX-License-Identifier: GPL-2.0-or-later
// LocalSave: this node's part in one checkpoint of a job. The job's head says how far to go (Order,
// in its view; peers.h), the node answers how far it has come (in its report); a step is only taken
// when the head has heard of the one before from all nodes, which makes the cut consistent:
//
//   prepare   files are open and have their room, QEMUs are ready; the VMs run
//   stop      all VMs of the node stand
//   mark      all VMs of the job stood: that was the cut. How far the output of the tasks here was
//             written is known; a VM may be on another node than its tasks (migration.h)
//   go_on     they run again, after they were written
//             where QEMU has no background snapshots
//             then, without a word: all is on disk
//
// Whatever fails, or if the head is silent while VMs stand: the VMs run on, the save is given up,
// and the reason is in the report.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugins/checkpoint/manifest.h"
#include "plugins/node/event.h"
#include "plugins/node/run.h"
#include "plugins/os/process.h"

namespace holon::node {

enum class SaveStep { none, prepare, stop, mark, go_on };
enum class SaveReached { nothing, prepared, stopped, marked, resumed, saved };

struct SaveOrder {
    std::uint64_t id = 0;  // of this attempt; 0: no save
    SaveStep step = SaveStep::none;
    std::string folder;  // <n>.part
    bool stay = false;   // the job ends with it: the VMs stand afterwards, so that no work is lost
    bool operator==(const SaveOrder&) const = default;
};
nlohmann::json to_json(const SaveOrder& order);
SaveOrder save_order(const nlohmann::json& json);

// What a node tells of its part.
struct SaveReport {
    std::uint64_t id = 0;
    SaveReached reached = SaveReached::nothing;
    bool over = false;  // saved, or given up and everything of it is gone
    std::string error;
    std::uint64_t expected = 0, content = 0, bytes = 0;  // of the parts; for the progress bar
    checkpoint::Method method = checkpoint::Method::background;  // that of its slowest VM
    std::vector<checkpoint::SavedVm> vms;                        // when saved
    std::vector<checkpoint::SavedSession> sessions;
};
nlohmann::json to_json(const SaveReport& report);
SaveReport save_report(const nlohmann::json& json);

class VmSave;

class LocalSave : public std::enable_shared_from_this<LocalSave> {
  public:
    LocalSave(Daemon& daemon, std::shared_ptr<Run> run, SaveOrder order);
    ~LocalSave();

    // The head's newest word. One of another id, or none, gives this save up.
    void follow(const SaveOrder& order);
    void give_up(const std::string& reason);
    Task<void> run();
    bool active() const { return active_; }
    bool standing() const { return standing_; }  // all is saved, and the VMs stay as they are
    const SaveReport& report() const { return report_; }

  private:
    Daemon& daemon_;
    std::shared_ptr<Run> run_;
    SaveOrder order_;
    SaveReport report_;
    std::vector<std::unique_ptr<VmSave>> vms_;
    asio::thread_pool threads_;  // one for each VM: saving takes long, and all stop together
    bool active_ = true, standing_ = false, let_go_ = false;

    Task<void> steps();
    Task<void> stand();
    Task<void> everybody_attached();
    bool script_is_starting() const;
    void check_on() const;
    Task<void> ask_tasks(std::uint64_t number, Clock::duration patience);
    Task<void> mark_sessions();
    Task<void> ordered(SaveStep step, Clock::time_point deadline);
    Task<void> each(Task<void> (VmSave::*step)());
    void reach(SaveReached reached);
    void count();
    friend class VmSave;
};

}  // namespace holon::node
