// SPDX-License-Identifier: GPL-2.0-or-later
// Cut: one checkpoint of a job as its head leads it, from the folder that is begun to the rename
// that commits it. All VMs of the job stop, and only when all have stopped does any go on; what is
// in flight between them is TCP's to send again. A node that fails or is lost ends the attempt: the
// job runs on, and the checkpoint before this one stays the newest.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "plugins/node/local_save.h"

namespace holon::node {

class Cut : public std::enable_shared_from_this<Cut> {
  public:
    // STAY: the VMs stand afterwards, until let_go().
    Cut(Daemon& daemon, std::shared_ptr<Run> run, bool stay);

    // Returns when it is committed or given up.
    Task<void> run();
    void node_says(const std::string& node, SaveReport report);
    void node_lost(const std::string& node, const std::string& why);

    const SaveOrder& order() const { return order_; }
    bool over() const { return over_; }
    bool holds() const { return holds_; }  // it was committed, and the VMs stand
    void let_go();
    std::uint32_t number() const { return number_; }
    // For whoever waits, after each change of the run: {"event":"saving", …}, last {"event":
    // "committed", …} or {"event":"failed","reason":…}.
    nlohmann::json state() const;
    const std::string& failure() const { return failure_; }

  private:
    Daemon& daemon_;
    std::shared_ptr<Run> run_;
    SaveOrder order_;
    std::map<std::string, SaveReport> reports_;  // by node, of all that have VMs
    std::set<std::string> heard_, lost_;         // of these
    std::uint32_t number_ = 0;
    std::string committed_;  // the folder
    std::string failure_;
    std::int64_t time_ = 0;
    std::uint64_t pause_us_ = 0;
    Clock::time_point begun_at_;
    double seconds_ = 0;
    bool over_ = false, holds_ = false;

    Task<void> steps();
    void hear_own();
    Task<void> all_reached(SaveReached reached);
    Task<void> commit();
    Task<void> publish();
    Task<nlohmann::json> store(const std::vector<std::string>& words, const std::string& input);
    Task<void> give_up();
    void order(SaveStep step);
    checkpoint::Method method() const;
    checkpoint::Manifest manifest() const;
};

}  // namespace holon::node
