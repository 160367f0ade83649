// SPDX-License-Identifier: GPL-2.0-or-later
// A run's checkpoints: what is led from here (Cut) and this node's part (LocalSave).
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "paths.h"
#include "plugins/checkpoint/store.h"
#include "plugins/node/cut.h"
#include "plugins/node/daemon.h"
#include "plugins/node/local_save.h"
#include "plugins/node/migration.h"
#include "plugins/node/preemption.h"
#include "plugins/node/run.h"
#include "plugins/node/session.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"

namespace holon::node {

Run::~Run() = default;

// What a daemon that died in the middle of a checkpoint left of it.
Task<void> Run::sweep_checkpoints() {
    std::string fault;
    try {
        const std::vector<std::string> argv{paths::checkpoint_store, "sweep", checkpoint_dir(),
                                            std::to_string(job().id)};
        os::RunOptions options;
        options.as = user_;
        co_await blocking(daemon_.pool, [&] { os::run_checked(argv, options); });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty())
        spdlog::warn("job {}: an unfinished checkpoint may be left: {}", name(), fault);
}

void Run::create_overlay(const std::filesystem::path& path) const {
    image::create_overlay(*image_, path, user_);
}

std::shared_ptr<Cut> Run::checkpoint(bool stay) {
    if (!is_head()) throw Error("job {}: ask its first node, {}", job().id, head());
    if (cut_ && cut_->holds())
        throw Error("job {}: it ends, and is saved as checkpoint {}", job().id, cut_->number());
    if (cut_ && !cut_->over()) return cut_;
    if (failed()) throw Error("job {}: {}", job().id, failure_);
    if (stopping_) throw Error("job {} has ended", job().id);
    if (suspension_->suspended())
        throw Error("job {}: it is suspended; after scontrol resume {} it can be saved", job().id,
                    job().id);
    if (migration_->moving()) throw Error("job {}: a VM of it is just moving", job().id);
    // ready_ may be an earlier daemon's word.
    const bool running = std::all_of(vms_.begin(), vms_.end(),
                                     [](const auto& vm) { return vm->state == VmState::running; });
    if (!ready_ || !plan_ || !image_ || !running)
        throw Error("job {}: its VMs have not all booted", job().id);
    cut_ = std::make_shared<Cut>(daemon_, shared_from_this(), stay);
    ++busy_;
    asio::co_spawn(
        daemon_.io,
        [self = shared_from_this(), cut = cut_]() -> Task<void> {
            co_await cut->run();
            --self->busy_;
            self->changed_.notify_all();
        },
        asio::detached);
    return cut_;
}

// --vm-checkpoint=TIME, on the head. If one fails the job runs on, and its user is told once.
Task<void> Run::save_periodically() {
    const auto every = std::chrono::seconds(prolog_.spec.checkpoint_every_s);
    bool told = false;
    while (!ready_ && !stopping_ && !failed()) co_await changed_.wait();
    while (!stopping_ && !failed()) {
        const auto due = Clock::now() + every;
        while (Clock::now() < due && !stopping_ && !failed()) co_await changed_.wait(due);
        while ((suspension_->suspended() || migration_->moving()) && !stopping_)
            co_await changed_.wait();
        if (stopping_ || failed()) break;
        std::string fault;
        try {
            const auto cut = checkpoint();
            while (!cut->over()) co_await changed_.wait();
            fault = cut->failure();
        } catch (const std::exception& error) {
            fault = error.what();
        }
        // Nothing is lost where it was suspended meanwhile.
        if (fault.empty() || suspension_->suspended() || std::exchange(told, true)) continue;
        tell_user(fmt::format("no checkpoint: {}; the job runs on", fault));
    }
}

void Run::tell_user(const std::string& line) {
    for (const auto& [session, place] : sessions_)
        if (place.step == "batch") return session->tell(line);
    if (!sessions_.empty()) sessions_.begin()->first->tell(line);
}

void Run::follow(const SaveOrder& order) {
    if (save_ && save_->active()) {
        save_->follow(order);
        next_save_ = std::make_unique<SaveOrder>(order);
        return;
    }
    if (order.step != SaveStep::prepare || stopping_ || !image_ ||
        (save_ && save_->report().id == order.id))
        return;
    save_ = std::make_shared<LocalSave>(daemon_, shared_from_this(), order);
    ++busy_;
    asio::co_spawn(
        daemon_.io,
        [self = shared_from_this(), save = save_]() -> Task<void> {
            co_await save->run();
            --self->busy_;
            if (const auto next = std::move(self->next_save_)) self->follow(*next);
            self->changed_.notify_all();
        },
        asio::detached);
}

void Run::peer_lost(const std::string& node, const std::string& why) {
    if (cut_ && is_head()) cut_->node_lost(node, why);
    if (is_head()) migration_->node_lost(node, why);
    if (save_ && !is_head()) save_->give_up(fmt::format("{}: {}", node, why));
}

}  // namespace holon::node
