// SPDX-License-Identifier: GPL-2.0-or-later
// A run that goes on from a checkpoint. The head decides which, and has looked at every byte of it,
// before any node makes anything; no VM runs before all VMs of the job are loaded.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "plugins/checkpoint/store.h"
#include "plugins/node/daemon.h"
#include "plugins/node/run.h"
#include "plugins/os/error.h"

namespace holon::node {

bool Run::may_have_source() const {
    return prolog_.spec.restart || (prolog_.spec.checkpoints && prolog_.job.restart > 0);
}

std::string Run::checkpoint_dir() const {
    if (!prolog_.spec.checkpoint_dir.empty()) return prolog_.spec.checkpoint_dir;
    return checkpoint::folder_of_user(daemon_.config.checkpoints.dir, prolog_.user, user_.home);
}

// The job's own newest one where it has any (it was requeued), else the one that it was submitted
// with.
Task<void> Run::choose_source() {
    const std::string dir = checkpoint_dir();
    std::optional<Newest> own;
    if (prolog_.job.restart > 0 && prolog_.spec.checkpoints)
        own = co_await blocking(daemon_.pool,
                                [&] { return newest_source(user_, dir, prolog_.job.id); });
    if (own) {
        for (const auto& why : own->refused) phase(fmt::format("passed over: {}", why));
        source_ = std::move(own->source);
    } else if (prolog_.spec.restart) {
        co_await choose_named_source();
    } else if (prolog_.spec.wished_no_requeue) {
        throw Error("there is no checkpoint in {} yet, and --no-requeue says not to begin anew",
                    dir);
    } else {
        phase("no checkpoint yet: it begins anew");
    }
}

Task<void> Run::choose_named_source() {
    const spec::Restart& wanted = *prolog_.spec.restart;
    const std::filesystem::path folder = wanted.folder;
    if (wanted.number != 0) {
        const auto one = folder / std::to_string(wanted.number);
        source_ = co_await blocking(daemon_.pool, [&] { return verified_source(user_, one); });
        co_return;
    }
    auto found = co_await blocking(daemon_.pool, [&] {
        return newest_source(
            user_, folder.parent_path(),
            static_cast<std::uint32_t>(std::strtoul(folder.filename().c_str(), nullptr, 10)));
    });
    if (!found) throw Error("{}: no checkpoint is there any more", wanted.folder);
    // What the user meant is not there: that it would go on from an older one is to be known first.
    if (!found->refused.empty())
        throw Error("{}; the one before is good: --vm-restart={}", found->refused.front(),
                    found->source.folder.string());
    source_ = std::move(found->source);
}

Task<void> Run::find_source() {
    if (!may_have_source()) co_return;
    if (!source_decided_ && is_head()) {
        co_await choose_source();
        if (source_) source_folder_ = source_->folder;
        source_decided_ = true;
        changed_.notify_all();
    }
    const auto deadline = boot_deadline();
    while (!source_decided_ && !stopping_ && !failed()) {
        const bool in_time = co_await changed_.wait(deadline);
        if (!in_time && !source_decided_)
            throw Error("{} has not said in time what the job goes on from", head());
    }
    if (stopping_ || failed() || source_folder_.empty()) co_return;
    std::string fault;
    try {
        if (!source_)
            source_ = co_await blocking(daemon_.pool,
                                        [this] { return read_source(user_, source_folder_); });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    // VMs that an earlier daemon has loaded need it no more; it may have been removed since.
    const bool loaded = !vms_.empty() && std::all_of(vms_.begin(), vms_.end(),
                                                     [](const auto& vm) { return vm->loaded; });
    if (!fault.empty() && !loaded) throw Error("{}", fault);
    if (source_) accept_source();
}

// What it is for, and what does not depend on the node. Throws where it is not to be gone on with.
void Run::accept_source() {
    const checkpoint::Manifest& manifest = source_->manifest;
    const std::string folder = source_->folder.string();
    if (manifest.uid != prolog_.uid)
        throw Error("{}: a checkpoint of user {} ({}); it can only be gone on with by him", folder,
                    manifest.user, manifest.uid);
    bool disks = false;
    for (const auto& vm : manifest.vms) disks = disks || vm.disk.has_value();
    if (disks && manifest.image_identity != image_->identity)
        throw Error(
            "{}: image '{}' is not the one that the VMs' disks were made on: it was changed "
            "since, or {} is another image here",
            folder, manifest.image, manifest.image);
    if (manifest.spec.network != prolog_.spec.network)
        throw Error("{}: its network is not the one the job was submitted with", folder);
    // The guests have the keys of this seed.
    prolog_.spec.seed = manifest.spec.seed;
    phase(
        fmt::format("goes on from checkpoint {} of job {}", manifest.number, manifest.plan.job.id));
}

spec::Spec Run::planned_spec() const {
    spec::Spec spec = prolog_.spec;
    if (!source_) return spec;
    spec::Restart restart;
    restart.job = source_->manifest.plan.job.id;
    restart.number = source_->manifest.number;
    restart.folder = source_->folder.parent_path().string();
    for (const auto& vm : source_->manifest.vms)
        restart.vms.push_back({vm.vm.cpus, vm.vm.memory_mb});
    spec.restart = std::move(restart);
    return spec;
}

// The guests keep the addresses they have: on the job's own new network they disturb nobody.
void Run::keep_addresses() {
    if (!source_) return;
    const plan::Plan& saved = source_->manifest.plan;
    plan_->prefix_length = saved.prefix_length;
    for (auto& vm : plan_->vms) {
        vm.mac = saved.vms.at(vm.index).mac;
        vm.address = saved.vms.at(vm.index).address;
    }
}

Task<void> Run::check_hardware() {
    for (const auto& local : vms_) {
        auto machine = this->machine(*local);
        const auto& saved = source_->manifest.vms.at(local->vm.index);
        const std::string why = co_await blocking(
            daemon_.pool, [&] { return cannot_go_on(*daemon_.hypervisor, saved, machine); });
        if (!why.empty())
            throw Error("{}: {} cannot go on here: {}", source_->folder.string(), local->vm.name,
                        why);
    }
}

Task<void> Run::load(LocalVm& local) {
    const auto& saved = source_->manifest.vms.at(local.vm.index);
    const std::string domain = vm::domain_name(job(), local.vm.index);
    co_await blocking(daemon_.pool,
                      [&] { load_memory(*daemon_.hypervisor, domain, user_, *source_, saved); });
    local.loaded = true;
    local.state = VmState::loaded;
    reports_[local.vm.index] = {VmState::loaded, {}, {}};
    check_loaded();
    co_await save();
    changed_.notify_all();
    while (!all_loaded_ && !stopping_ && !failed()) co_await changed_.wait();
}

void Run::check_loaded() {
    if (!is_head() || !source_ || !plan_ || all_loaded_) return;
    for (const auto& report : reports_)
        if (report.state != VmState::loaded && report.state != VmState::running) return;
    all_loaded_ = true;
    changed_.notify_all();
}

// Programs whose srun has ended with the former run have nobody to talk to any more.
void Run::end_other_sessions(LocalVm& local) {
    std::size_t ended = 0;
    for (const auto& session : source_->manifest.sessions) {
        if (session.vm != local.vm.index || session.step == "batch") continue;
        local.channel->end_session(session.id);
        ++ended;
    }
    if (ended != 0)
        phase(
            fmt::format("{}: {} program{} of srun or an interactive shell ended with the former "
                        "run; the batch script goes on",
                        local.vm.name, ended, ended == 1 ? "" : "s"));
}

const checkpoint::SavedSession* Run::session_to_go_on_with(const std::string& step,
                                                           std::uint32_t vm) const {
    if (!source_ || step != "batch") return nullptr;
    for (const auto& session : source_->manifest.sessions)
        if (session.vm == vm && session.step == step) return &session;
    return nullptr;
}

}  // namespace holon::node
