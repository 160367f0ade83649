// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/migration.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "plugins/network/network.h"
#include "plugins/node/cut.h"
#include "plugins/node/daemon.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"
#include "plugins/vm/save.h"

namespace holon::node {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// How long nothing may be heard of a transfer.
constexpr auto silence = 120s;
// From the decision until the VM runs.
constexpr auto arriving_time = 60s;

constexpr const char* reached_names[] = {"nothing", "stands", "done", "runs"};

MoveReached reached_of(const std::string& text) {
    for (std::size_t i = 0; i < std::size(reached_names); ++i)
        if (text == reached_names[i]) return static_cast<MoveReached>(i);
    throw Error("migration: '{}' is not known", text.substr(0, 40));
}

json to_json(const MoveReport& report) {
    return {{"id", report.id},
            {"reached", reached_names[static_cast<int>(report.reached)]},
            {"error", report.error},
            {"bytes", report.bytes},
            {"expected", report.expected}};
}

MoveReport report_of(const json& told) {
    MoveReport report;
    report.id = told.at("id");
    report.reached = reached_of(told.at("reached").get<std::string>());
    report.error = told.at("error").get<std::string>().substr(0, 1000);
    report.bytes = told.at("bytes");
    report.expected = told.at("expected");
    return report;
}

}  // namespace

// --- Where VMs are
// ----------------------------------------------------------------------------------------------

const std::string& Migration::host_of(std::uint32_t vm) const {
    const auto found = hosts_.find(vm);
    return found != hosts_.end() ? found->second : run_.plan()->vms.at(vm).node;
}

plan::Plan Migration::located() const {
    plan::Plan plan = *run_.plan();
    for (auto& vm : plan.vms) vm.node = host_of(vm.index);
    return plan;
}

json Migration::hosts() const {
    json all = json::object();
    for (const auto& [vm, node] : hosts_) all[std::to_string(vm)] = node;
    return all;
}

void Migration::load_hosts(const json& hosts) {
    std::map<std::uint32_t, std::string> all;
    for (const auto& [vm, node] : hosts.items())
        all[static_cast<std::uint32_t>(std::stoul(vm))] = node.get<std::string>();
    hosts_ = std::move(all);
}

json Migration::view() const {
    return {{"hosts", hosts()},
            {"id", order_.id},
            {"vm", order_.vm},
            {"from", order_.from},
            {"to", order_.to}};
}

void Migration::head_says(const json& view) {
    if (!run_.plan()) return;
    const auto before = hosts_;
    load_hosts(view.at("hosts"));
    const bool fresh = view.at("id") != order_.id;
    order_ = {view.at("id"), view.at("vm"), view.at("from"), view.at("to")};
    view_known_ = true;
    cancel_if_gone();
    if (before != hosts_) spawn(run_.shared_from_this(), change_network(run_.shared_from_this()));
    if (fresh) follow();
    run_.changed().notify_all();
}

json Migration::report() const { return own_.id == 0 ? json() : to_json(own_); }

void Migration::spawn(std::shared_ptr<Run> run, Task<void> task) {
    run->begin_work();
    asio::co_spawn(daemon_.io, std::move(task), [run](std::exception_ptr problem) {
        try {
            if (problem) std::rethrow_exception(problem);
        } catch (const std::exception& error) {
            spdlog::error("job {}: {}", run->name(), error.what());
        }
        run->end_work();
    });
}

// Frames to a VM go to its host at once; until it has sent one itself, a bridge may still know it
// at another port.
Task<void> Migration::change_network(std::shared_ptr<Run> run) {
    if (run->prolog().spec.network != spec::Network::private_) co_return;
    const plan::Plan plan = located();
    const std::string here = run->prolog().node;
    co_await blocking(daemon_.pool, [&] {
        for (const auto& vm : plan.vms)
            network::relocate(plan.job, vm,
                              vm.node == here ? std::string() : network::resolve(vm.node));
    });
}

// --- The head
// ---------------------------------------------------------------------------------------------------

Task<void> Migration::move(std::shared_ptr<Run> run, std::uint32_t vm, std::string to) {
    const std::uint32_t job = run->job().id;
    if (!run->is_head()) throw Error("job {}: ask its first node, {}", job, run->head());
    if (moving()) throw Error("job {}: vm{} is just moving; one at a time", job, order_.vm);
    if (run->failed()) throw Error("job {}: {}", job, run->failure());
    if (run->stopping()) throw Error("job {} has ended", job);
    if (!run->ready() || !run->plan()) throw Error("job {}: its VMs have not all booted", job);
    if (vm >= run->plan()->vms.size()) throw Error("job {}: it has no vm{}", job, vm);
    // Not tried: its engine takes a node that is silent for a minute for one that is lost.
    if (run->is_smp()) throw Error("job {}: VMs of --vm-smp are not moved", job);
    if (run->suspension().suspended())
        throw Error("job {}: it is suspended; after scontrol resume {} it can be moved", job, job);
    if (run->cut() && (!run->cut()->over() || run->cut()->holds()))
        throw Error("job {}: it is just being saved", job);
    const auto& nodes = run->prolog().nodes;
    const std::string from = host_of(vm);
    if (std::find(nodes.begin(), nodes.end(), to) == nodes.end())
        throw Error("job {}: {} is not one of its nodes; VMs move between the nodes of a job", job,
                    to);
    if (from == to) throw Error("job {}: vm{} is on {} already", job, vm, to);
    order_.id =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    order_.vm = vm;
    order_.from = from;
    order_.to = to;
    reports_.clear();
    reports_[from].id = reports_[to].id = order_.id;
    failure_.clear();
    moved_ = nullptr;
    follow();
    run->changed().notify_all();
    co_await lead(run);
}

void Migration::node_says(const std::string& node, const json& told) {
    const MoveReport report = report_of(told);
    const auto known = reports_.find(node);
    if (known == reports_.end() || report.id != known->second.id) return;
    if (!report.error.empty() && failure_.empty())
        failure_ = fmt::format("{}: {}", node, report.error);
    known->second = report;
    if (node != run_.prolog().node) run_.changed().notify_all();
}

void Migration::node_lost(const std::string& node, const std::string& why) {
    if (!moving() || !reports_.contains(node)) return;
    if (failure_.empty()) failure_ = fmt::format("{}: {}", node, why);
    run_.changed().notify_all();
}

void Migration::hear_own() {
    if (own_.id != 0) node_says(run_.prolog().node, to_json(own_));
}

json Migration::progress() const {
    std::uint64_t bytes = 0, expected = 0;
    bool stands = false;
    for (const auto& [node, report] : reports_) {
        bytes = std::max(bytes, report.bytes);
        expected = std::max(expected, report.expected);
        stands = stands || report.reached >= MoveReached::stands;
    }
    return {{"ok", true},       {"event", "moving"},
            {"vm", order_.vm},  {"from", order_.from},
            {"to", order_.to},  {"phase", stands ? "moving" : "preparing"},
            {"content", bytes}, {"expected", expected}};
}

json Migration::moved() const { return moved_; }

// Until the transfer is over at both ends, and decided.
Task<void> Migration::lead(std::shared_ptr<Run> run) {
    const auto begun = Clock::now();
    const MoveOrder order = order_;
    Clock::time_point stood_at{};
    std::string fault;
    const auto done = [&] {
        return reports_[order.from].reached >= MoveReached::done &&
               reports_[order.to].reached >= MoveReached::done;
    };
    auto deadline = Clock::now() + silence;
    std::uint64_t last = 0;
    hear_own();
    while (!done() && failure_.empty() && !run->stopping() && !run->failed()) {
        const bool in_time = co_await run->changed().wait(std::min(deadline, Clock::now() + 500ms));
        hear_own();
        if (stood_at == Clock::time_point{} && reports_[order.from].reached >= MoveReached::stands)
            stood_at = Clock::now();
        const auto& source = reports_[order.from];
        const auto told = source.bytes + static_cast<std::uint64_t>(source.reached) +
                          static_cast<std::uint64_t>(reports_[order.to].reached);
        if (told != last) {
            last = told;
            deadline = Clock::now() + silence;
        }
        if (!in_time && Clock::now() >= deadline)
            failure_ = fmt::format("nothing was heard of it for {} s", silence.count());
    }
    if (failure_.empty() && (run->stopping() || run->failed())) failure_ = "the job has ended";
    if (failure_.empty()) {
        const auto before = hosts_;
        // A node that is lost from now on changes nothing: what the disk says is what was decided.
        std::string unsaved;
        if (order.to == run->plan()->vms.at(order.vm).node)
            hosts_.erase(order.vm);
        else
            hosts_[order.vm] = order.to;
        try {
            co_await run->save_now();
        } catch (const std::exception& error) {
            unsaved = error.what();
        }
        if (!unsaved.empty()) hosts_ = before;
        failure_ = unsaved;
    }
    const std::uint64_t bytes = reports_[order.from].bytes;
    order_ = {};
    cancel_if_gone();
    run->changed().notify_all();
    if (!failure_.empty()) {
        spdlog::warn("job {}: vm{} stays on {}: {}", run->name(), order.vm, order.from, failure_);
        throw Error("{}; vm{} runs on where it was", failure_, order.vm);
    }
    spawn(run, change_network(run));
    deadline = Clock::now() + arriving_time;
    while (reports_[order.to].reached < MoveReached::runs && !run->stopping() && !run->failed() &&
           Clock::now() < deadline) {
        co_await run->changed().wait(deadline);
        hear_own();
    }
    const auto seconds = [](Clock::duration time) {
        return std::chrono::duration<double>(time).count();
    };
    if (stood_at == Clock::time_point{}) stood_at = begun;
    moved_ = {{"ok", true},
              {"event", "moved"},
              {"vm", order.vm},
              {"from", order.from},
              {"to", order.to},
              {"method", "stopped"},
              {"bytes", bytes},
              {"stood_ms", seconds(Clock::now() - stood_at) * 1000},
              {"seconds", seconds(Clock::now() - begun)}};
    spdlog::info("job {}: vm{} moved from {} to {}: {} bytes, it stood for {:.0f} ms", run->name(),
                 order.vm, order.from, order.to, bytes, seconds(Clock::now() - stood_at) * 1000);
    run->changed().notify_all();
}

// --- What is decided
// --------------------------------------------------------------------------------------------

bool Migration::knows_fate(std::uint64_t id) const {
    return (run_.is_head() || view_known_) && order_.id != id;
}

Task<bool> Migration::committed(std::shared_ptr<Run> run, std::uint64_t id, std::uint32_t vm) {
    while (!knows_fate(id) && !run->stopping()) co_await run->changed().wait();
    co_return host_of(vm) == run->prolog().node;
}

void Migration::cancel_if_gone() {
    if (own_.id == 0 || own_.id == order_.id || own_.reached >= MoveReached::done) return;
    give_up();
}

void Migration::give_up() {
    if (work_.save) work_.save->cancel();
    if (work_.carrying) work_.carrying->control.stop = true;
    if (work_.disk) work_.disk->control.stop = true;
}

void Migration::reach(MoveReached reached) {
    own_.reached = reached;
    run_.changed().notify_all();
}

void Migration::follow() {
    if (order_.id == 0 || order_.from != run_.prolog().node || run_.stopping()) return;
    spawn(run_.shared_from_this(), send(run_.shared_from_this(), order_));
}

std::shared_ptr<Migration::Carrying> Migration::carry(std::shared_ptr<Run> run, os::Fd local,
                                                      os::Fd remote, tunnel::Side side,
                                                      const tunnel::Key& key) {
    auto carrying = std::make_shared<Carrying>();
    // A thread of its own: it lasts as long as the stream does.
    std::thread([carrying, run, side, key, io = &daemon_.io, local = std::move(local),
                 remote = std::move(remote)]() mutable {
        std::string fault;
        try {
            tunnel::carry(std::move(local), std::move(remote), side, key, carrying->control);
        } catch (const std::exception& error) {
            fault = error.what();
        }
        // The run is let go of where all else of it happens.
        asio::post(*io, [carrying, fault, run = std::move(run)] {
            carrying->fault = fault;
            carrying->done = true;
            run->changed().notify_all();
        });
    }).detach();
    return carrying;
}

}  // namespace holon::node
