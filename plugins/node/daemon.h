// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's shared state, and its life: start (take over what an earlier daemon left), serve,
// stop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "plugins/config/config.h"
#include "plugins/node/controller_hosts.h"
#include "plugins/node/event.h"
#include "plugins/node/run.h"
#include "plugins/node/usage_log.h"
#include "plugins/vm/vm.h"
#include "select/site/snapshot.h"

namespace holon::node {

struct Options {
    std::filesystem::path config_file;  // empty: config::load_default
    std::string socket;                 // of local clients
};

struct Daemon {
    Daemon(asio::io_context& io, config::Config config);
    ~Daemon();

    asio::io_context& io;
    asio::thread_pool pool;
    config::Config config;
    std::string host;  // short host name
    ControllerHosts controllers;
    UsageLog usage_log{config.state_dir / "usage.jsonl"};
    std::unique_ptr<vm::Hypervisor> hypervisor;
    std::optional<vm::Acceleration>
        acceleration;  // known some seconds after the first start on a node
    Event changed;     // acceleration, or runs, changed
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::shared_ptr<Run>>
        runs;  // by job id and restart count

    // The newest run of a job, or null.
    std::shared_ptr<Run> find(std::uint32_t job) const;
    void remove(plan::Job job);
    // Loads the runs that an earlier daemon left, goes on with those that live, removes the others,
    // and everything of Holon's on this node that belongs to none.
    Task<void> recover();
    Task<void> probe_acceleration();
};

// Serves until SIGTERM or SIGINT. VMs live on when it returns.
int serve(const Options& options);

// One request of docs/rpc.md on a fresh connection, until it is answered. IS_ROOT is called when it
// has shown to be root's, of whatever host; it must live until this ends.
Task<void> handle_client(Daemon& daemon, std::shared_ptr<class Connection> client,
                         const std::function<void()>& is_root);

// Keeps the head of RUN's job informed, as long as the run lives (peers.h has the messages).
Task<void> report_to_head(Daemon& daemon, std::shared_ptr<Run> run);
// Tells the head, once, that RUN has ended here although nobody asked for it.
Task<void> report_end_to_head(Daemon& daemon, std::shared_ptr<Run> run);
// Tells the controllers, at each heartbeat and when it changes, what this node can do. Never ends.
Task<void> publish_capabilities(Daemon& daemon);
// The same once, after a checkpoint of a job of this node was committed (or with no shapes: is gone
// for good). Throws where no controller took it.
Task<void> publish_checkpoint(Daemon& daemon, const site::CheckpointReport& report);
// The head's side: takes one node's reports, sends back its own view.
Task<void> serve_peer(Daemon& daemon, std::shared_ptr<class Connection> client,
                      const nlohmann::json& hello);

}  // namespace holon::node
