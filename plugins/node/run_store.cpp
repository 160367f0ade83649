// SPDX-License-Identifier: GPL-2.0-or-later
// A run on disk: STATE_DIR/<job>.<restart>/ holds run.json (0600: the seed is in it), sock/ (0700,
// QEMU's listening sockets), disks/ (0700, the user's: overlays) and vm<i>.console.
// /run/holon/jobs/<job>/spec tells Slurm's step hooks, without asking anybody, that the job is
// Holon's.
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "plugins/node/daemon.h"
#include "plugins/node/local_save.h"
#include "plugins/node/migration.h"
#include "plugins/node/preemption.h"
#include "plugins/node/run.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::node {
namespace {

std::string host_boot_id() { return os::read_file("/proc/sys/kernel/random/boot_id"); }

void make_folder(const std::filesystem::path& path, mode_t mode, uid_t uid, gid_t gid) {
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        throw Error("{}: {}", path.string(), errno_text());
    if (::chown(path.c_str(), uid, gid) != 0 || ::chmod(path.c_str(), mode) != 0)
        throw Error("{}: {}", path.string(), errno_text());
}

}  // namespace

Run::Run(Daemon& daemon, Prolog prolog)
    : daemon_(daemon),
      prolog_(std::move(prolog)),
      user_(os::identity_of(prolog_.uid)),
      changed_(daemon.io) {
    // Slurm's gid for the job wins over the password file's (sbatch --gid, newgrp).
    user_.gid = prolog_.gid;
    preemption_ = std::make_unique<Preemption>(daemon_, *this);
    suspension_ = std::make_unique<Suspension>(daemon_, *this);
    migration_ = std::make_unique<Migration>(daemon_, *this);
    folder_ = daemon.config.state_dir / name();
    prolog_at_ =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void Run::create_on_disk() {
    std::filesystem::create_directories(daemon_.config.state_dir);
    ::chmod(daemon_.config.state_dir.c_str(), 0711);
    make_folder(folder_, 0711, 0, 0);
    make_folder(folder_ / "sock", 0700, 0, 0);
    make_folder(folder_ / "disks", 0700, prolog_.uid, prolog_.gid);
    os::write_file_atomically(folder_ / "run.json", to_json(), 0600);
}

void Run::publish() const {
    std::filesystem::path folder =
        std::filesystem::path(paths::run_dir) / "jobs" / std::to_string(job().id);
    std::filesystem::create_directories(folder);
    auto shown = prolog_.spec;
    shown.seed.clear();
    nlohmann::json json = nlohmann::json::parse(spec::to_json(shown));
    json.erase("seed");
    os::write_file_atomically(folder / "spec", json.dump(), 0644);
}

std::string Run::to_json() const {
    nlohmann::json json{
        {"version", 1},
        {"host_boot_id", host_boot_id()},
        {"job", job().id},
        {"restart", job().restart},
        {"uid", prolog_.uid},
        {"gid", prolog_.gid},
        {"user", prolog_.user},
        {"node", prolog_.node},
        {"nodes", prolog_.nodes},
        {"cpus", prolog_.cpus},
        {"spec", nlohmann::json::parse(spec::to_json(prolog_.spec))},
        {"prolog_at", prolog_at_},
        {"ready", ready_},
        {"seconds_to_ready", seconds_to_ready_},
        {"failure", failure_},
        {"oom_kills_before", oom_kills_before_},
        {"source", {{"decided", source_decided_}, {"folder", source_folder_.string()}}},
        {"all_loaded", all_loaded_},
        {"container", {{"pid", container_pid_}, {"start", container_start_}}},
    };
    if (cgroup_) {
        std::vector<std::string> folders;
        for (const auto& path : cgroup_->job_directories) folders.push_back(path.string());
        json["cgroup"] = {
            {"folders", folders}, {"memory_mb", cgroup_->memory_limit_mb}, {"cpus", cgroup_->cpus}};
    }
    if (plan_) json["plan"] = nlohmann::json::parse(plan::to_json(*plan_));
    nlohmann::json vms = nlohmann::json::array();
    for (const auto& vm : vms_)
        vms.push_back({{"index", vm->vm.index},
                       {"started", vm->started},
                       {"loaded", vm->loaded},
                       {"home", vm->home},
                       {"here", vm->here},
                       {"leaving", vm->leaving},
                       {"arriving", vm->arriving},
                       {"machine_type", vm->machine_type},
                       {"started_at", vm->started_at}});
    json["vms"] = vms;
    json["hosts"] = migration_->hosts();
    return json.dump(1);
}

Task<void> Run::save() {
    // One at a time, each with the state as it is when its turn comes: the last one on disk is the
    // newest.
    while (saving_) co_await changed_.wait();
    if (stopping_) co_return;
    saving_ = true;
    std::string text = to_json();
    std::string fault;
    try {
        co_await blocking(daemon_.pool, [this, &text] {
            os::write_file_atomically(folder_ / "run.json", text, 0600);
        });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    saving_ = false;
    changed_.notify_all();
    if (!fault.empty()) throw Error("{}", fault);
}

std::shared_ptr<Run> Run::load(Daemon& daemon, const std::filesystem::path& folder) {
    auto json = nlohmann::json::parse(os::read_file(folder / "run.json"));
    Prolog prolog;
    prolog.job = {json.at("job"), json.at("restart")};
    prolog.uid = json.at("uid");
    prolog.gid = json.at("gid");
    prolog.user = json.at("user");
    prolog.node = json.at("node");
    prolog.nodes = json.at("nodes").get<std::vector<std::string>>();
    prolog.cpus = json.at("cpus").get<std::vector<std::uint32_t>>();
    prolog.spec = spec::from_json(json.at("spec").dump());
    auto run = std::make_shared<Run>(daemon, std::move(prolog));
    run->was_loaded_ = true;
    run->prolog_at_ = json.at("prolog_at");
    run->ready_ = json.at("ready");
    run->seconds_to_ready_ = json.at("seconds_to_ready");
    run->failure_ = json.at("failure");
    run->oom_kills_before_ = json.at("oom_kills_before");
    if (json.contains("source")) {
        run->source_decided_ = json["source"].at("decided");
        run->source_folder_ = json["source"].at("folder").get<std::string>();
        run->all_loaded_ = json.value("all_loaded", false);
    }
    run->container_pid_ = json.at("container").at("pid");
    run->container_start_ = json.at("container").at("start");
    if (json.contains("cgroup")) {
        vm::JobCgroup cgroup;
        for (const auto& path : json["cgroup"].at("folders"))
            cgroup.job_directories.emplace_back(path.get<std::string>());
        cgroup.memory_limit_mb = json["cgroup"].at("memory_mb");
        cgroup.cpus = json["cgroup"].at("cpus");
        run->cgroup_ = std::move(cgroup);
    }
    if (json.contains("plan")) {
        run->plan_ = plan::from_json(json["plan"].dump());
        run->adopt_plan();
        run->migration_->load_hosts(json.value("hosts", nlohmann::json::object()));
        for (const auto& entry : json.at("vms")) {
            LocalVm& vm = run->lodger(entry.at("index"));
            vm.started = entry.at("started");
            vm.loaded = entry.value("loaded", false);
            vm.started_at = entry.at("started_at");
            vm.here = entry.value("here", true);
            vm.leaving = entry.value("leaving", std::uint64_t{0});
            vm.arriving = entry.value("arriving", std::uint64_t{0});
            vm.machine_type = entry.value("machine_type", std::string());
        }
    }
    // After a reboot of the host nothing of the run can be alive, whatever pids say.
    if (json.at("host_boot_id") != host_boot_id()) {
        run->container_pid_ = 0;
        run->host_rebooted_ = true;
    }
    return run;
}

}  // namespace holon::node
