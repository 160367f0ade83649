// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/local_save.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "plugins/node/daemon.h"
#include "plugins/node/session.h"
#include "plugins/node/suspension.h"
#include "plugins/node/vm_save.h"
#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::node {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// VMs that stand are not left standing for want of a word from the head.
constexpr auto patience_while_standing = 20s;
// From "prepared" on the head only waits for the other nodes, which may have much to write.
constexpr auto patience = 1h;

// Nor for good, where the head that saved them to end the job is never heard of again.
constexpr auto longest_stand = 1h;

// Nor for holon-run, which answers in a millisecond unless it is stopped.
constexpr auto patience_with_tasks = 5s;

constexpr const char* step_names[] = {"none", "prepare", "stop", "mark", "go_on"};
constexpr const char* reached_names[] = {"nothing", "prepared", "stopped",
                                         "marked",  "resumed",  "saved"};

template <typename Enum, size_t count>
Enum named(const char* const (&names)[count], const std::string& text) {
    for (size_t i = 0; i < count; ++i)
        if (text == names[i]) return static_cast<Enum>(i);
    throw Error("save: '{}' is not known", text.substr(0, 40));
}

}  // namespace

json to_json(const SaveOrder& order) {
    return {{"id", order.id},
            {"step", step_names[static_cast<int>(order.step)]},
            {"folder", order.folder},
            {"stay", order.stay}};
}

SaveOrder save_order(const json& json) {
    return {json.at("id").get<std::uint64_t>(),
            named<SaveStep>(step_names, json.at("step").get<std::string>()),
            json.at("folder").get<std::string>(), json.value("stay", false)};
}

json to_json(const SaveReport& report) {
    json vms = json::array(), sessions = json::array();
    for (const auto& vm : report.vms) vms.push_back(json::parse(checkpoint::to_json(vm)));
    for (const auto& session : report.sessions)
        sessions.push_back(json::parse(checkpoint::to_json(session)));
    return {{"id", report.id},
            {"reached", reached_names[static_cast<int>(report.reached)]},
            {"over", report.over},
            {"error", report.error},
            {"expected", report.expected},
            {"content", report.content},
            {"bytes", report.bytes},
            {"method", checkpoint::to_string(report.method)},
            {"vms", vms},
            {"sessions", sessions}};
}

SaveReport save_report(const json& json) {
    SaveReport report;
    report.id = json.at("id");
    report.reached = named<SaveReached>(reached_names, json.at("reached").get<std::string>());
    report.over = json.at("over");
    report.error = json.at("error").get<std::string>().substr(0, 1000);
    report.expected = json.at("expected");
    report.content = json.at("content");
    report.bytes = json.at("bytes");
    report.method = checkpoint::method(json.at("method").get<std::string>());
    for (const auto& vm : json.at("vms"))
        report.vms.push_back(checkpoint::saved_vm_from_json(vm.dump()));
    for (const auto& session : json.at("sessions"))
        report.sessions.push_back(checkpoint::saved_session_from_json(session.dump()));
    return report;
}

LocalSave::LocalSave(Daemon& daemon, std::shared_ptr<Run> run, SaveOrder order)
    : daemon_(daemon),
      run_(std::move(run)),
      order_(std::move(order)),
      threads_(std::max<size_t>(1, run_->vms().size())) {
    report_.id = order_.id;
    for (auto& vm : run_->vms())
        if (vm->here) vms_.push_back(std::make_unique<VmSave>(*this, *vm));
}

LocalSave::~LocalSave() { threads_.join(); }

void LocalSave::follow(const SaveOrder& order) {
    if (order.id != order_.id || order.step == SaveStep::none) {
        let_go_ = true;
        give_up("the job's first node gave it up");
    } else {
        order_.step = order.step;
    }
    run_->changed().notify_all();
}

void LocalSave::give_up(const std::string& reason) {
    if (!active_ || report_.reached == SaveReached::saved || !report_.error.empty()) return;
    report_.error = reason;
    for (auto& vm : vms_) vm->cancel();
    run_->changed().notify_all();
}

void LocalSave::reach(SaveReached reached) {
    if (!report_.error.empty()) throw Error("{}", report_.error);
    report_.reached = reached;
    run_->changed().notify_all();
}

// Takes the step of every VM at the same time; throws the first error when all have ended.
Task<void> LocalSave::each(Task<void> (VmSave::*step)()) {
    size_t left = vms_.size();
    std::string fault;
    for (auto& vm : vms_)
        asio::co_spawn(
            daemon_.io,
            [&left, &fault, this, step, one = vm.get()]() -> Task<void> {
                try {
                    co_await (one->*step)();
                } catch (const std::exception& error) {
                    if (fault.empty()) fault = error.what();
                }
                --left;
                run_->changed().notify_all();
            },
            asio::detached);
    while (left > 0) {
        count();
        co_await run_->changed().wait(Clock::now() + 500ms);
    }
    count();
    if (!fault.empty()) throw Error("{}", fault);
}

void LocalSave::count() {
    report_.expected = report_.content = report_.bytes = 0;
    for (const auto& vm : vms_) {
        report_.expected += vm->expected();
        report_.content += vm->content();
        report_.bytes += vm->bytes();
    }
}

// Until the head wants STEP.
Task<void> LocalSave::ordered(SaveStep step, Clock::time_point deadline) {
    while (order_.step < step) {
        check_on();
        const bool in_time = co_await run_->changed().wait(deadline);
        if (!in_time && order_.step < step) throw Error("no word from {} in time", run_->head());
    }
}

// A script that is being started is waited for, and so are tasks whose output goes through a daemon
// that has just been started: they are on their way back to it.
Task<void> LocalSave::everybody_attached() {
    const auto missing = [this] {
        for (const auto& vm : run_->vms())
            if (vm->home && vm->channel && (!vm->connected || vm->channel->expects_sessions()))
                return true;
        return script_is_starting();
    };
    const auto deadline = Clock::now() + 30s;
    while (missing()) {
        check_on();
        co_await run_->changed().wait(Clock::now() + 100ms);
        if (Clock::now() >= deadline)
            throw Error("a program in its VMs is being started, or nobody takes its output");
    }
}

bool LocalSave::script_is_starting() const {
    for (const auto& [session, place] : run_->sessions())
        if (place.step == "batch" && !session->known()) return true;
    return false;
}

// Throws where there is no reason to go on.
void LocalSave::check_on() const {
    if (!report_.error.empty()) throw Error("{}", report_.error);
    if (run_->stopping() || run_->failed()) throw Error("the job has ended");
}

// Each task says how far its output was written; PATIENCE is for one that is stopped.
Task<void> LocalSave::ask_tasks(std::uint64_t number, Clock::duration patience) {
    for (const auto& [session, place] : run_->sessions())
        if (place.marks && session->known()) session->mark(number, run_->changed());
    const auto deadline = Clock::now() + patience;
    for (;;) {
        bool all = true;
        // Looked up anew each time: tasks come and go.
        for (const auto& [session, place] : run_->sessions())
            all = all && (!session->asked(number) || session->marked());
        if (all) break;
        check_on();
        const bool in_time = co_await run_->changed().wait(deadline);
        if (!in_time)
            throw Error("a task does not say how far its output was written (is it suspended?)");
    }
}

// No VM of this node runs meanwhile, so none of them says more.
Task<void> LocalSave::mark_sessions() {
    // Were it saved, it would be started a second time.
    if (script_is_starting()) throw Error("the job's script is just being started");
    co_await ask_tasks(order_.id, patience_while_standing);
    report_.sessions.clear();
    for (const auto& [session, place] : run_->sessions()) {
        if (!session->asked(order_.id)) continue;
        const json entry = {{"id", fmt::format("{:016x}", session->id())},
                            {"vm", place.vm},
                            {"step", place.step},
                            {"streams", rpc::parse(*session->marked())}};
        report_.sessions.push_back(checkpoint::saved_session_from_json(entry.dump()));
    }
}

Task<void> LocalSave::steps() {
    if (run_->vms().empty() ||
        std::any_of(run_->vms().begin(), run_->vms().end(), [](const auto& vm) {
            return ((vm->here || vm->home) && vm->state != VmState::running) || vm->leaving != 0 ||
                   vm->arriving != 0;
        }))
        throw Error("its VMs are not all running");
    if (run_->suspension().suspended() || std::any_of(run_->vms().begin(), run_->vms().end(),
                                                      [](const auto& vm) { return vm->stands; }))
        throw Error("the job is suspended");
    co_await everybody_attached();
    // Asked before anything stands, so that nothing stands for one that does not answer.
    co_await ask_tasks(order_.id - 1, patience_with_tasks);
    co_await each(&VmSave::prepare);
    for (const auto& vm : vms_) report_.method = std::max(report_.method, vm->method());
    reach(SaveReached::prepared);
    co_await ordered(SaveStep::stop, Clock::now() + patience);
    co_await each(&VmSave::stop);
    reach(SaveReached::stopped);
    co_await ordered(SaveStep::mark, Clock::now() + patience_while_standing);
    co_await mark_sessions();
    reach(SaveReached::marked);
    co_await ordered(SaveStep::go_on, Clock::now() + patience_while_standing);
    co_await each(&VmSave::go_on);
    reach(SaveReached::resumed);
    co_await each(&VmSave::finish);
    for (const auto& vm : vms_) report_.vms.push_back(vm->saved());
    reach(SaveReached::saved);
    if (order_.stay) co_await stand();
}

// Until the head lets the VMs go, which it does where the job does not end after all.
Task<void> LocalSave::stand() {
    standing_ = true;
    const auto deadline = Clock::now() + longest_stand;
    while (!let_go_ && !run_->stopping() && !run_->failed() && Clock::now() < deadline)
        co_await run_->changed().wait(deadline);
    standing_ = false;
    if (!run_->stopping()) co_await each(&VmSave::let_run);
}

Task<void> LocalSave::run() {
    std::string fault;
    try {
        co_await steps();
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        spdlog::warn("job {}: checkpoint: {}", run_->name(),
                     report_.error.empty() ? fault : report_.error);
        for (auto& vm : vms_) vm->cancel();
        try {
            co_await each(&VmSave::abort);
        } catch (const std::exception& error) {
            spdlog::error("job {}: giving up a checkpoint: {}", run_->name(), error.what());
        }
        if (report_.error.empty()) report_.error = fault;
        report_.vms.clear();
        report_.sessions.clear();
    }
    report_.over = true;
    active_ = false;
    run_->changed().notify_all();
}

}  // namespace holon::node
