// SPDX-License-Identifier: GPL-2.0-or-later
// Migration: a VM of a job moves to another node of the same job while the job runs. Its node in
// the plan stays its *home*: there are the sessions of its tasks, for Slurm's tasks do not move,
// and there the conversation with its guest goes on (through a tunnel, plugins/tunnel, once its
// QEMU is elsewhere). Its QEMU, its console and its tap are on its *host*.
//
// The head leads, in its view (peers.h); one VM moves at a time:
//
//   the order    the VM, from, to
//   sending      FROM asks TO for a place ("lodge"), which makes the domain and waits for memory;
//   then
//                the VM stops, and its memory goes through a tunnel
//   sent/loaded  both have said so: the head writes on its disk that TO is the host. That decides.
//   after it     TO lets the VM run, FROM removes its QEMU, all nodes change their forwarding
//   tables,
//                home talks to the guest through TO
//
// Whatever fails before that: the order is gone from the view, TO removes what it made, and the VM
// runs on at FROM. A daemon of FROM or TO that is replaced in the middle lets the VM stand until
// the head has said what was decided; so does one that has lost the head.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "plugins/node/run.h"
#include "plugins/tunnel/tunnel.h"

namespace holon::vm {
class Save;
}

namespace holon::node {

class Connection;

struct MoveOrder {
    std::uint64_t id = 0;  // 0: none
    std::uint32_t vm = 0;
    std::string from, to;
};

// How far a node has come with it.
enum class MoveReached { nothing, stands, done, runs };

struct MoveReport {
    std::uint64_t id = 0;
    MoveReached reached = MoveReached::nothing;
    std::string error;
    std::uint64_t bytes = 0, expected = 0;
};

class Migration {
  public:
    Migration(Daemon& daemon, Run& run) : daemon_(daemon), run_(run) {}

    // --- On the head
    // Moves VM to the node TO. Returns when it runs there; throws where it runs on where it was.
    Task<void> move(std::shared_ptr<Run> run, std::uint32_t vm, std::string to);
    bool moving() const { return order_.id != 0; }
    // Of the one that is moving: {"event":"moving","phase":…,"content":…,"expected":…}.
    nlohmann::json progress() const;
    nlohmann::json moved() const;  // of the last one, as the final event
    void node_says(const std::string& node, const nlohmann::json& report);
    void node_lost(const std::string& node, const std::string& why);

    // --- Everywhere
    const std::string& host_of(std::uint32_t vm) const;
    plan::Plan located() const;  // the plan, each VM on its host
    nlohmann::json view() const;
    void head_says(const nlohmann::json& view);
    nlohmann::json report() const;  // null where there is none
    nlohmann::json hosts() const;   // for the disk
    void load_hosts(const nlohmann::json& hosts);
    // What an earlier daemon was in the middle of, and guests that are elsewhere.
    void recover(std::shared_ptr<Run> run);
    // Another node's requests: to take in a VM, its disk, and to talk to the guest of one that is
    // here.
    Task<void> lodge(std::shared_ptr<Run> run, Connection& client, const nlohmann::json& request);
    Task<void> take_disk(std::shared_ptr<Run> run, Connection& client,
                         const nlohmann::json& request);
    Task<void> channel(std::shared_ptr<Run> run, Connection& client, const nlohmann::json& request);
    // The run ends.
    void give_up();

  private:
    struct Carrying {
        tunnel::Control control;
        bool done = false;
        std::string fault;
    };
    // What this node does for the move that is going on.
    struct Work {
        std::shared_ptr<vm::Save> save;
        std::shared_ptr<Carrying> carrying, disk;
    };

    Daemon& daemon_;
    Run& run_;
    MoveOrder order_;                             // the head's
    std::map<std::uint32_t, std::string> hosts_;  // of VMs that are not at home
    bool view_known_ = false;                     // elsewhere than on the head
    MoveReport own_;
    Work work_;
    // on the head
    std::map<std::string, MoveReport> reports_;
    std::string failure_;
    nlohmann::json moved_;

    bool knows_fate(std::uint64_t id) const;
    Task<bool> committed(std::shared_ptr<Run> run, std::uint64_t id, std::uint32_t vm);
    void spawn(std::shared_ptr<Run> run, Task<void> task);
    void follow();
    void hear_own();
    void cancel_if_gone();
    void reach(MoveReached reached);
    Task<void> lead(std::shared_ptr<Run> run);
    Task<void> decide(std::shared_ptr<Run> run);
    Task<void> send(std::shared_ptr<Run> run, MoveOrder order);
    Task<void> send_memory(std::shared_ptr<Run> run, LocalVm& vm, MoveOrder order);
    Task<void> send_disk(std::shared_ptr<Run> run, const LocalVm& vm, MoveOrder order);
    Task<void> leave(std::shared_ptr<Run> run, LocalVm& vm, bool gone);
    Task<void> receive(std::shared_ptr<Run> run, LocalVm& vm, MoveOrder order, os::Fd socket,
                       tunnel::Key key);
    Task<void> arrive(std::shared_ptr<Run> run, LocalVm& vm, bool here);
    Task<void> keep_channel(std::shared_ptr<Run> run, LocalVm& vm);
    Task<void> hold_channel(std::shared_ptr<Run> run, LocalVm& vm, std::string host);
    Task<void> change_network(std::shared_ptr<Run> run);
    Task<void> finish_earlier(std::shared_ptr<Run> run, LocalVm& vm);
    void remove(const Run& run, const LocalVm& vm, const std::string& domain);
    void check_room(const LocalVm& vm) const;
    std::shared_ptr<Carrying> carry(std::shared_ptr<Run> run, os::Fd local, os::Fd remote,
                                    tunnel::Side side, const tunnel::Key& key);
};

}  // namespace holon::node
