// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/cut.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "paths.h"
#include "plugins/checkpoint/store.h"
#include "plugins/node/daemon.h"
#include "plugins/node/migration.h"
#include "plugins/os/error.h"

namespace holon::node {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// How long no node may tell anything new; at the end it waits for its disk.
constexpr auto silence = 300s;
// From the order to stop until all stand.
constexpr auto stopping = 30s;
// For nodes to end what they do for a checkpoint that was given up, before its folder goes.
constexpr auto tidying = 15s;

const std::string nothing;  // as a program's input

}  // namespace

Cut::Cut(Daemon& daemon, std::shared_ptr<Run> run, bool stay)
    : daemon_(daemon), run_(std::move(run)), begun_at_(Clock::now()) {
    // Unlike any of an earlier daemon's.
    order_.id =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    order_.stay = stay;
    for (const auto& vm : run_->plan()->vms)
        reports_[vm.node].id = reports_[run_->migration().host_of(vm.index)].id = order_.id;
}

void Cut::order(SaveStep step) {
    order_.step = step;
    run_->follow(order_);  // this node's own part
    run_->changed().notify_all();
}

void Cut::node_says(const std::string& node, SaveReport report) {
    const auto known = reports_.find(node);
    if (known == reports_.end() || report.id != order_.id || over_) return;
    heard_.insert(node);
    if (!report.error.empty() && failure_.empty())
        failure_ = fmt::format("{}: {}", node, report.error);
    known->second = std::move(report);
    if (node != run_->prolog().node) run_->changed().notify_all();
}

void Cut::node_lost(const std::string& node, const std::string& why) {
    if (over_ || !reports_.contains(node)) return;
    if (reports_[node].reached == SaveReached::saved || !lost_.insert(node).second) return;
    if (failure_.empty()) failure_ = fmt::format("{}: {}", node, why);
    run_->changed().notify_all();
}

// This node's own part, which sends no reports.
void Cut::hear_own() {
    if (const auto save = run_->local_save()) node_says(run_->prolog().node, save->report());
}

Task<void> Cut::all_reached(SaveReached reached) {
    const auto told = [this] {
        std::uint64_t sum = 0;
        for (const auto& [node, report] : reports_)
            sum += report.content + static_cast<std::uint64_t>(report.reached);
        return sum;
    };
    const auto missing = [&]() -> std::string {
        for (const auto& [node, report] : reports_)
            if (report.reached < reached) return node;
        return {};
    };
    const bool standing = reached == SaveReached::stopped || reached == SaveReached::marked;
    const Clock::duration allowed = standing ? Clock::duration(stopping) : Clock::duration(silence);
    auto deadline = Clock::now() + allowed;
    hear_own();
    for (std::uint64_t last = told(); !missing().empty();) {
        if (!failure_.empty()) throw Error("{}", failure_);
        if (run_->stopping() || run_->failed()) throw Error("the job has ended");
        co_await run_->changed().wait(deadline);
        hear_own();
        if (const std::uint64_t now = told(); now != last) {
            last = now;
            if (!standing) deadline = Clock::now() + allowed;
        }
        if (Clock::now() >= deadline && !missing().empty())
            throw Error("{} gave no word for {} s", missing(),
                        std::chrono::duration_cast<std::chrono::seconds>(allowed).count());
    }
    if (!failure_.empty()) throw Error("{}", failure_);
}

Task<json> Cut::store(const std::vector<std::string>& words, const std::string& input) {
    std::vector<std::string> argv{paths::checkpoint_store};
    argv.insert(argv.end(), words.begin(), words.end());
    os::RunOptions options;
    options.as = run_->user();
    options.input = input;
    options.timeout = std::chrono::minutes(10);
    os::RunResult result;
    co_await blocking(daemon_.pool, [&] { result = os::run(argv, options); });
    std::string complaint = result.err.substr(0, result.err.find_last_not_of('\n') + 1);
    complaint.erase(0, complaint.find_last_of('\n') + 1);
    if (!result.ok())
        throw Error("{}",
                    complaint.empty() ? "the checkpoint store ended without a word" : complaint);
    json answer = json::parse(result.out, nullptr, false);
    co_return answer.is_object() ? answer : json::object();
}

// That of the VMs that stood longest.
checkpoint::Method Cut::method() const {
    auto slowest = checkpoint::Method::background;
    for (const auto& [node, report] : reports_) slowest = std::max(slowest, report.method);
    return slowest;
}

checkpoint::Manifest Cut::manifest() const {
    checkpoint::Manifest manifest;
    manifest.number = number_;
    manifest.time = time_;
    manifest.holon = HOLON_VERSION;
    manifest.user = run_->prolog().user;
    manifest.uid = run_->prolog().uid;
    manifest.gid = run_->prolog().gid;
    manifest.method = method();
    manifest.pause_us = pause_us_;
    manifest.image = run_->image_name();
    manifest.image_identity = run_->image_identity();
    manifest.spec = run_->prolog().spec;
    manifest.plan = *run_->plan();
    manifest.vms.resize(manifest.plan.vms.size());
    for (const auto& [node, report] : reports_) {
        for (const auto& vm : report.vms) {
            // A node speaks for its own VMs alone.
            if (vm.vm.index >= manifest.vms.size() ||
                run_->migration().host_of(vm.vm.index) != node || vm.vm.node != node)
                throw Error("{} told of a VM that is not its own", node);
            manifest.vms[vm.vm.index] = vm;
            manifest.plan.vms[vm.vm.index] = vm.vm;
        }
        manifest.sessions.insert(manifest.sessions.end(), report.sessions.begin(),
                                 report.sessions.end());
    }
    for (size_t i = 0; i < manifest.vms.size(); ++i)
        if (manifest.vms[i].memory.file.empty()) throw Error("vm{} was not saved", i);
    return manifest;
}

Task<void> Cut::steps() {
    const std::string dir = run_->checkpoint_dir();
    std::vector<std::string> words{"begin", dir, std::to_string(run_->job().id), "0",
                                   std::to_string(daemon_.config.checkpoints.min_free_mb << 20)};
    const json begun = co_await store(words, nothing);
    number_ = begun.at("number");
    order_.folder = begun.at("folder");
    order(SaveStep::prepare);
    co_await all_reached(SaveReached::prepared);
    const auto start = Clock::now();
    order(SaveStep::stop);
    co_await all_reached(SaveReached::stopped);
    time_ = std::chrono::duration_cast<std::chrono::seconds>(
                std::chrono::system_clock::now().time_since_epoch())
                .count();
    order(SaveStep::mark);
    co_await all_reached(SaveReached::marked);
    order(SaveStep::go_on);
    co_await all_reached(SaveReached::resumed);
    pause_us_ = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
    co_await all_reached(SaveReached::saved);
    co_await commit();
}

Task<void> Cut::commit() {
    const std::string text = checkpoint::to_json(manifest());
    std::vector<std::string> words{"commit", order_.folder,
                                   std::to_string(daemon_.config.checkpoints.keep)};
    const json done = co_await store(words, text);
    committed_ = done.at("folder");
    if (const auto trouble = done.value("trouble", std::string()); !trouble.empty())
        spdlog::warn("job {}: old checkpoints stay: {}", run_->name(), trouble);
}

Task<void> Cut::publish() {
    site::CheckpointReport report;
    report.job = run_->job().id;
    report.id = std::to_string(number_);
    report.smp = run_->prolog().spec.mode == spec::Mode::smp;
    report.image = run_->image_name();
    report.uid = run_->prolog().uid;
    report.folder = std::filesystem::path(committed_).parent_path().string();
    report.network = run_->prolog().spec.network == spec::Network::private_;
    for (const auto& vm : manifest().vms) report.shapes.push_back({vm.vm.cpus, vm.vm.memory_mb});
    co_await publish_checkpoint(daemon_, report);
}

// All nodes let their VMs run on, and nothing is left of the folder.
Task<void> Cut::give_up() {
    order(SaveStep::none);
    const auto busy = [this] {
        for (const auto& [node, report] : reports_)
            if (heard_.contains(node) && !report.over && !lost_.contains(node)) return true;
        return false;
    };
    const auto deadline = Clock::now() + tidying;
    while (busy() && Clock::now() < deadline) {
        co_await run_->changed().wait(deadline);
        hear_own();
    }
    if (order_.folder.empty()) co_return;
    try {
        std::vector<std::string> words{"abandon", order_.folder};
        co_await store(words, nothing);
    } catch (const std::exception& error) {
        spdlog::warn("job {}: {}", run_->name(), error.what());
    }
}

Task<void> Cut::run() {
    std::string fault;
    try {
        co_await steps();
    } catch (const std::exception& error) {
        fault = error.what();
    }
    seconds_ = std::chrono::duration<double>(Clock::now() - begun_at_).count();
    if (!fault.empty()) {
        failure_ = fault;
        co_await give_up();
        spdlog::warn("job {}: no checkpoint: {}; the job runs on", run_->name(), failure_);
    } else {
        spdlog::info("job {}: checkpoint {}: {}, {}, the VMs stood for {:.1f} ms, {:.1f} s in all",
                     run_->name(), number_, committed_, checkpoint::to_string(method()),
                     static_cast<double>(pause_us_) / 1000, seconds_);
        try {
            co_await publish();
        } catch (const std::exception& error) {
            spdlog::warn("job {}: checkpoint {}: {}", run_->name(), number_, error.what());
        }
        holds_ = order_.stay;
        if (!holds_) order(SaveStep::none);
    }
    over_ = true;
    run_->changed().notify_all();
}

void Cut::let_go() {
    if (std::exchange(holds_, false)) order(SaveStep::none);
}

json Cut::state() const {
    std::uint64_t expected = 0, content = 0, bytes = 0;
    SaveReached reached = SaveReached::saved;
    for (const auto& [node, report] : reports_) {
        expected += report.expected;
        content += report.content;
        bytes += report.bytes;
        reached = std::min(reached, report.reached);
    }
    if (over_ && !failure_.empty())
        return {{"ok", true}, {"event", "failed"}, {"number", number_}, {"reason", failure_}};
    json state = {{"ok", true},
                  {"event", "saving"},
                  {"number", number_},
                  {"expected", expected},
                  {"content", content},
                  {"bytes", bytes},
                  {"phase", reached == SaveReached::nothing ? "preparing"
                            : reached < SaveReached::marked ? "stopping"
                                                            : "writing"}};
    if (!over_) return state;
    state["event"] = "committed";
    state["folder"] = committed_;
    state["method"] = checkpoint::to_string(method());
    state["pause_ms"] = static_cast<double>(pause_us_) / 1000;
    state["seconds"] = seconds_;
    return state;
}

}  // namespace holon::node
