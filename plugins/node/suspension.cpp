// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/suspension.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>

#include "plugins/node/daemon.h"
#include "plugins/node/local_save.h"
#include "plugins/os/error.h"
#include "plugins/vm/frozen_steps.h"

namespace holon::node {
namespace {

using namespace std::chrono_literals;

constexpr auto again_after = 2s;  // where libvirtd is away

}  // namespace

Suspension::Suspension(Daemon& daemon, Run& run) : daemon_(daemon), run_(run) {}
Suspension::~Suspension() = default;

Clock::duration Suspension::lasted() const {
    return suspended_ ? before_ + (Clock::now() - since_) : before_;
}

void Suspension::look() {
    const bool frozen = steps_->look();
    if (frozen == suspended_) return;
    if (suspended_) before_ = lasted();
    suspended_ = frozen;
    since_ = Clock::now();
    spdlog::info("job {}: Slurm has {} it", run_.name(), frozen ? "suspended" : "resumed");
    run_.changed().notify_all();
}

Task<void> Suspension::listen(std::shared_ptr<Run> run,
                              std::shared_ptr<asio::posix::stream_descriptor> events) {
    while (!run->stopping()) {
        boost::system::error_code error;
        co_await events->async_wait(asio::posix::stream_descriptor::wait_read,
                                    asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
        look();
    }
}

// Whether every VM stands or runs as it is to. A checkpoint that has not reached its cut is given
// up, for its tasks are frozen and do not say how far their output was written; one that has is
// written to its end first.
bool Suspension::settled() {
    bool all = true;
    for (const auto& vm : run_.vms())
        all = all && (vm->state != VmState::running || vm->stands == suspended_ ||
                      vm->leaving != 0 || vm->arriving != 0);
    if (all || !suspended_) return all;
    const auto save = run_.local_save();
    if (!save || !save->active() || save->standing()) return false;
    if (save->report().reached < SaveReached::marked) save->give_up("the job is suspended");
    return true;
}

Task<void> Suspension::settle(LocalVm& vm) {
    const std::string domain = vm::domain_name(run_.job(), vm.vm.index);
    const bool stand = suspended_;
    // One that was saved to end the job goes on when the save lets it.
    const bool held = run_.local_save() && run_.local_save()->standing();
    if (vm.here && (!held || stand))
        co_await blocking(daemon_.pool, [&] {
            if (stand)
                daemon_.hypervisor->suspend(domain);
            else
                daemon_.hypervisor->resume(domain);
        });
    vm.stands = stand;
    if (!stand && vm.channel) vm.channel->set_clock();
    spdlog::info("job {}: {} {}", run_.name(), vm.vm.name, stand ? "stands" : "runs again");
}

Task<void> Suspension::watch(std::shared_ptr<Run> run) {
    while (!run->cgroup() && !run->stopping()) co_await run->changed().wait();
    if (run->stopping()) co_return;
    std::shared_ptr<asio::posix::stream_descriptor> events;
    try {
        steps_ = std::make_unique<vm::FrozenSteps>(*run->cgroup());
        const int copy = ::fcntl(steps_->descriptor(), F_DUPFD_CLOEXEC, 0);
        if (copy < 0) throw Error("inotify: {}", errno_text());
        events = std::make_shared<asio::posix::stream_descriptor>(daemon_.io, copy);
        look();
    } catch (const std::exception& error) {
        spdlog::error("job {}: its VMs will not stand when Slurm suspends it: {}", run->name(),
                      error.what());
        co_return;
    }
    asio::co_spawn(daemon_.io, listen(run, events), asio::detached);
    while (!run->stopping()) {
        if (settled()) {
            co_await run->changed().wait();
            continue;
        }
        std::string fault;
        for (const auto& vm : run->vms()) {
            if (vm->state != VmState::running || vm->stands == suspended_ || run->stopping() ||
                vm->leaving != 0 || vm->arriving != 0)
                continue;
            try {
                co_await settle(*vm);
            } catch (const std::exception& error) {
                fault = error.what();
            }
        }
        run->changed().notify_all();
        if (fault.empty()) continue;
        spdlog::error("job {}: {}; trying again", run->name(), fault);
        const auto again = Clock::now() + again_after;
        while (Clock::now() < again && !run->stopping()) co_await run->changed().wait(again);
    }
    boost::system::error_code ignored;
    events->close(ignored);
}

}  // namespace holon::node
