// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/run.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "plugins/network/network.h"
#include "plugins/node/cut.h"
#include "plugins/node/daemon.h"
#include "plugins/node/local_save.h"
#include "plugins/node/migration.h"
#include "plugins/node/preemption.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/vm/usage.h"

namespace holon::node {

const char* to_string(VmState state) {
    switch (state) {
        case VmState::waiting:
            return "waiting";
        case VmState::booting:
            return "booting";
        case VmState::loaded:
            return "loaded";
        case VmState::running:
            return "running";
        case VmState::failed:
            return "failed";
    }
    return "?";
}

VmState vm_state(const std::string& text) {
    for (const auto state : {VmState::booting, VmState::loaded, VmState::running, VmState::failed})
        if (text == to_string(state)) return state;
    return VmState::waiting;
}

std::string smp_hostname(plan::Job job) { return fmt::format("smp-{}", job.id); }

std::string Run::name() const { return fmt::format("{}.{}", prolog_.job.id, prolog_.job.restart); }

void Run::phase(const std::string& text) {
    spdlog::info("job {}: {}", name(), text);
    phases_.push_back(text);
    changed_.notify_all();
}

double Run::boot_time_left() const {
    double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    std::uint32_t limit = prolog_.spec.boot_timeout_s ? prolog_.spec.boot_timeout_s
                                                      : daemon_.config.vm.boot_timeout_s;
    const double suspended = std::chrono::duration<double>(suspension_->lasted()).count();
    return prolog_at_ + limit + suspended - now;
}

Clock::time_point Run::boot_deadline() const {
    const double left = std::max(0.0, boot_time_left());
    return Clock::now() + std::chrono::milliseconds(static_cast<long long>(left * 1000));
}

size_t Run::total_count() const {
    if (plan_) return plan_->vms.size();
    return head_total_ ? head_total_
                       : std::max<size_t>(prolog_.spec.vm_count, prolog_.nodes.size());
}

size_t Run::ready_count() const {
    if (ready_) return total_count();
    if (!is_head()) return head_ready_;
    return static_cast<size_t>(
        std::count_if(reports_.begin(), reports_.end(),
                      [](const auto& report) { return report.state == VmState::running; }));
}

void Run::fail(const std::string& reason, std::vector<std::string> console) {
    if (failed() || stopping_) return;
    spdlog::error("job {}: {}", name(), reason);
    failure_ = reason;
    failure_console_ = std::move(console);
    end_sessions(reason);
    changed_.notify_all();
}

void Run::end_sessions(const std::string& reason) {
    for (auto& vm : vms_)
        if (vm->channel) vm->channel->lose_sessions(reason);
}

void Run::vm_failed(LocalVm& vm, const std::string& reason) {
    if (vm.state == VmState::failed || stopping_) return;
    vm.state = VmState::failed;
    vm.reason = fmt::format("{} on {}: {}", vm.vm.name, vm.vm.node, reason);
    auto lines = vm.console ? vm.console->last_lines(12) : std::vector<std::string>{};
    if (vm.vm.index < reports_.size()) reports_[vm.vm.index] = {VmState::failed, vm.reason, lines};
    fail(vm.reason, std::move(lines));
}

void Run::domain_ended(const vm::Ended& ended) {
    if (stopping_) return;
    for (auto& vm : vms_) {
        if (vm::domain_name(job(), vm->vm.index) != ended.domain) continue;
        // It does not run here yet, and goes on where it was.
        if (vm->arriving != 0) continue;
        std::string reason;
        bool out_of_memory = cgroup_ && vm::oom_kills(*cgroup_) > oom_kills_before_;
        if (out_of_memory)
            reason = fmt::format(
                "its QEMU was killed: the job's memory limit on the node ({} MB) was exceeded",
                cgroup_->memory_limit_mb);
        else if (ended.how == vm::End::shutdown)
            reason = "the guest ended (powered off, or its kernel stopped)";
        else
            reason = fmt::format("its QEMU {} ({})",
                                 ended.how == vm::End::killed ? "was killed" : "crashed",
                                 ended.detail.empty() ? "no details" : ended.detail);
        vm_failed(*vm, reason);
    }
}

void Run::check_ready() {
    if (ready_ || failed() || !is_head() || !plan_ || ready_count() < plan_->vms.size()) return;
    ready_ = true;
    double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    seconds_to_ready_ = now - prolog_at_;
    spdlog::info("job {}: all {} VMs are ready after {:.1f} s", name(), plan_->vms.size(),
                 seconds_to_ready_);
    ++busy_;
    asio::co_spawn(
        daemon_.io,
        [self = shared_from_this()]() -> Task<void> {
            try {
                co_await self->save();
            } catch (const std::exception& error) {
                spdlog::error("job {}: {}", self->name(), error.what());
            }
            --self->busy_;
            self->changed_.notify_all();
        },
        asio::detached);
    changed_.notify_all();
}

// --- What the nodes of a job tell each other
// --------------------------------------------------------------------

nlohmann::json Run::report_to_head() const {
    nlohmann::json vms = nlohmann::json::array();
    for (const auto& vm : vms_) {
        if (!vm->home) continue;
        nlohmann::json entry{
            {"index", vm->vm.index}, {"state", to_string(vm->state)}, {"reason", vm->reason}};
        if (vm->state == VmState::failed && vm->console)
            entry["console"] = vm->console->last_lines(12);
        vms.push_back(std::move(entry));
    }
    nlohmann::json report{{"op", "peer"},
                          {"job", job().id},
                          {"restart", job().restart},
                          {"node", prolog_.node},
                          {"vms", vms}};
    if (save_) report["save"] = node::to_json(save_->report());
    if (auto move = migration_->report(); !move.is_null()) report["move"] = std::move(move);
    // A failure that belongs to no VM (an image, a network) is this node's.
    if (failed()) {
        report["failure"] = failure_;
        report["console"] = failure_console_;
    }
    return report;
}

nlohmann::json Run::view_for_peers() const {
    return {{"ok", true},
            {"ready", ready_},
            {"ready_count", ready_count()},
            {"total", total_count()},
            {"failure", failure_},
            {"console", failure_console_},
            {"seconds", seconds_to_ready_},
            {"save", node::to_json(cut_ ? cut_->order() : SaveOrder{})},
            {"preemption", preemption_->view()},
            {"migration", migration_->view()},
            {"source_decided", source_decided_},
            {"source", source_folder_.string()},
            {"all_loaded", all_loaded_}};
}

void Run::peer_report(std::uint32_t vm, const VmReport& report) {
    if (vm >= reports_.size()) return;
    reports_[vm] = report;
    if (report.state == VmState::failed) fail(report.reason, report.console);
    check_loaded();
    check_ready();
    changed_.notify_all();
}

void Run::head_report(const nlohmann::json& view) {
    if (view.value("source_decided", false) && !source_decided_) {
        source_folder_ = view.value("source", std::string());
        source_decided_ = true;
    }
    all_loaded_ = all_loaded_ || view.value("all_loaded", false);
    head_ready_ = view.value("ready_count", size_t{0});
    head_total_ = view.value("total", size_t{0});
    if (view.value("ready", false) && !ready_) {
        ready_ = true;
        seconds_to_ready_ = view.value("seconds", 0.0);
    }
    if (auto failure = view.value("failure", std::string()); !failure.empty())
        fail(failure, view.value("console", std::vector<std::string>()));
    if (view.contains("save")) follow(save_order(view["save"]));
    if (view.contains("preemption")) preemption_->head_says(view["preemption"]);
    if (view.contains("migration")) migration_->head_says(view["migration"]);
    changed_.notify_all();
}

// --- What users see
// ------------------------------------------------------------------------------------------------

nlohmann::json Run::vm_environment(const plan::Vm& vm) const {
    std::vector<std::string> names;
    for (const auto& each : plan_->vms) names.push_back(each.name);
    return {{"HOLON_VM_ID", std::to_string(vm.index)},
            {"HOLON_VM_NAME", vm.name},
            {"HOLON_NUM_VMS", std::to_string(names.size())},
            {"HOLON_NODELIST", plan::compress_hostlist(names)},
            {"HOLON_HOSTFILE", "/run/holon/hostfile"},
            {"HOLON_HOST_NODELIST", plan::compress_hostlist(prolog_.nodes)},
            {"HOLON_HOST_CPUS_PER_NODE", fmt::format("{}", fmt::join(prolog_.cpus, ","))}};
}

nlohmann::json Run::smp_environment() const {
    std::uint32_t cpus = 0;
    for (const auto& vm : plan_->vms) cpus += vm.cpus;
    return {{"hostname", smp_hostname(job())}, {"cpus", cpus}};
}

nlohmann::json Run::status() const {
    nlohmann::json list = nlohmann::json::array();
    double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const bool standing = save_ && save_->standing();
    for (const auto& vm : vms_) {
        if (!vm->here) continue;
        nlohmann::json timings = nlohmann::json::object();
        for (const auto& [phase, seconds] : vm->timings) timings[phase] = seconds;
        const auto used = vm::usage_of(vm::domain_name(job(), vm->vm.index)).value_or(vm::Usage{});
        list.push_back({{"job", job().id},
                        {"restart", job().restart},
                        {"user", prolog_.user},
                        {"vm", vm->vm.name},
                        {"node", vm->vm.node},
                        {"vcpus", vm->vm.cpus},
                        {"memory_mb", vm->vm.memory_mb},
                        {"cpu_s", used.cpu_s},
                        {"peak_mb", used.peak_mb},
                        {"smp", is_smp()},
                        {"home", is_smp() && vm->vm.index == plan::home(*plan_).index},
                        {"state", standing                                  ? "saved"
                                  : vm->leaving != 0                        ? "moving"
                                  : suspension_->suspended() && vm->started ? "suspended"
                                                                            : to_string(vm->state)},
                        {"uptime_s", vm->started_at > 0 ? now - vm->started_at : 0.0},
                        {"address", vm->vm.address},
                        {"image", prolog_.spec.image},
                        {"reason", vm->reason.empty() ? failure_ : vm->reason},
                        {"timings", timings}});
    }
    if (vms_.empty())
        list.push_back({{"job", job().id},
                        {"restart", job().restart},
                        {"user", prolog_.user},
                        {"vm", ""},
                        {"node", prolog_.node},
                        {"vcpus", 0},
                        {"memory_mb", 0},
                        {"state", failed() ? "failed" : "waiting"},
                        {"uptime_s", 0.0},
                        {"address", ""},
                        {"image", prolog_.spec.image},
                        {"reason", failure_},
                        {"timings", nlohmann::json::object()}});
    return list;
}

// --- VMs that come and go
// -------------------------------------------------------------------------------------------

LocalVm* Run::local_vm(std::uint32_t index) {
    for (auto& vm : vms_)
        if (vm->vm.index == index) return vm.get();
    return nullptr;
}

LocalVm& Run::lodger(std::uint32_t index) {
    if (LocalVm* known = local_vm(index)) return *known;
    auto vm = std::make_unique<LocalVm>();
    vm->vm = plan_->vms.at(index);
    vm->vm.node = prolog_.node;
    vm->home = vm->here = false;
    vms_.push_back(std::move(vm));
    return *vms_.back();
}

void Run::end_work() {
    --busy_;
    changed_.notify_all();
}

// --- The end
// ---------------------------------------------------------------------------------------------------------

std::vector<nlohmann::json> Run::usage() const {
    const double now =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    std::vector<nlohmann::json> records;
    for (const auto& vm : vms_) {
        if (!vm->started) continue;
        const auto used = vm::usage_of(vm::domain_name(job(), vm->vm.index));
        nlohmann::json record{{"job", job().id},      {"restart", job().restart},
                              {"uid", prolog_.uid},   {"user", prolog_.user},
                              {"vm", vm->vm.name},    {"node", vm->vm.node},
                              {"vcpus", vm->vm.cpus}, {"memory_mb", vm->vm.memory_mb},
                              {"smp", is_smp()},      {"began", vm->started_at},
                              {"ended", now},         {"cpu_s", nullptr},
                              {"peak_mb", nullptr}};
        if (used) {
            record["cpu_s"] = used->cpu_s;
            record["peak_mb"] = used->peak_mb;
        }
        records.push_back(std::move(record));
    }
    return records;
}

// Once for each run: what is torn down a second time has no folder, or no VM, any more.
Task<void> Run::record_usage() {
    if (usage_recorded_) co_return;
    usage_recorded_ = true;
    std::string fault;
    try {
        const auto records = usage();
        co_await blocking(daemon_.pool, [&] { daemon_.usage_log.add(records); });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) spdlog::warn("job {}: what it used is not recorded: {}", name(), fault);
}

Task<void> Run::tear_down() {
    auto self = shared_from_this();
    while (tearing_) co_await changed_.wait();
    if (gone_) co_return;
    tearing_ = stopping_ = true;
    spdlog::info("job {}: removing everything of this run", name());
    if (save_) save_->give_up("the job has ended");
    migration_->give_up();
    for (auto& vm : vms_)
        if (vm->channel) {
            vm->channel->lose_sessions(fmt::format("job {} has ended", job().id));
            vm->channel->close();
        }
    changed_.notify_all();
    // What is booting sees `stopping` at its next step; only then is it certain that nothing new
    // appears.
    while (busy_ > 0) co_await changed_.wait();
    std::string fault;
    auto attempt = [&](const char* what, auto action) -> Task<bool> {
        try {
            co_await blocking(daemon_.pool, action);
            co_return true;
        } catch (const std::exception& error) {
            spdlog::error("job {}: removing {}: {}", name(), what, error.what());
            if (fault.empty()) fault = fmt::format("removing {}: {}", what, error.what());
        }
        co_return false;
    };
    co_await record_usage();
    std::uint32_t vm_count = static_cast<std::uint32_t>(vms_.size());
    for (std::uint32_t i = 0; i < vm_count; ++i) {
        std::string domain = vm::domain_name(job(), vms_[i]->vm.index);
        co_await attempt("a VM", [this, &domain] { daemon_.hypervisor->destroy(domain); });
        if (vms_[i]->console) vms_[i]->console->close();
    }
    if (cgroup_) {
        // Without libvirtd this ends the VMs as well.
        auto of_vms = std::exchange(fault, {});
        const bool removed =
            co_await attempt("the cgroup leaf", [this] { vm::remove_leaf(*cgroup_); });
        if (!removed && !of_vms.empty()) fault = of_vms;
    }
    co_await attempt("the network", [this] { network::remove(job()); });
    tearing_ = false;
    if (!fault.empty()) {
        // The run and its folder stay, so that the epilog, or the next daemon, tries again.
        changed_.notify_all();
        throw Error("job {}: {}", name(), fault);
    }
    tearing_ = true;
    co_await attempt("the job's folder", [this] { os::remove_tree(folder_); });
    auto newest = daemon_.find(job().id);
    if (!newest || newest.get() == this)
        co_await attempt("the job's public folder",
                         [this] { os::remove_tree(fmt::format("/run/holon/jobs/{}", job().id)); });
    daemon_.remove(job());
    cut_.reset();
    save_.reset();
    gone_ = true;
    tearing_ = false;
    changed_.notify_all();
    spdlog::info("job {}: nothing is left on this node", name());
}

}  // namespace holon::node
