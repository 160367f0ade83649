// SPDX-License-Identifier: GPL-2.0-or-later
// The way from prolog to ready. Every step may find itself done by an earlier daemon.
#include <fmt/ranges.h>
#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "paths.h"
#include "plugins/network/network.h"
#include "plugins/node/daemon.h"
#include "plugins/node/job_keys.h"
#include "plugins/node/migration.h"
#include "plugins/node/preemption.h"
#include "plugins/node/run.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::node {
namespace {

double now_s() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

class Stopwatch {
  public:
    explicit Stopwatch(LocalVm& vm) : vm_(vm) {}
    void lap(const char* phase) {
        auto now = Clock::now();
        vm_.timings.emplace_back(phase, std::chrono::duration<double>(now - last_).count());
        last_ = now;
    }

  private:
    LocalVm& vm_;
    Clock::time_point last_ = Clock::now();
};

std::string group_name(gid_t gid) {
    std::string buffer(16384, '\0');
    group entry{};
    group* found = nullptr;
    ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found);
    return found ? std::string(entry.gr_name) : fmt::format("g{}", gid);
}

// When a process started, in the kernel's ticks; nullopt where there is none of that pid.
std::optional<std::uint64_t> start_of(pid_t pid) {
    std::optional<std::string> stat;
    try {
        stat = os::read_file_if_exists(fmt::format("/proc/{}/stat", pid));
    } catch (const Error&) {
        // it ended between open and read
    }
    // Field 22 (starttime), counted after the command's closing parenthesis: proc(5).
    size_t at = stat ? stat->rfind(')') : std::string::npos;
    // Dead, though init has not collected it yet: Slurm's epilog may be faster than init.
    if (at != std::string::npos && at + 2 < stat->size() && std::strchr("ZX", (*stat)[at + 2]))
        return std::nullopt;
    for (int field = 2; field < 22 && at != std::string::npos; ++field)
        at = stat->find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
    return std::strtoull(stat->c_str() + at, nullptr, 10);
}

std::string random_hex(size_t bytes) {
    std::string raw(bytes, '\0'), text;
    if (::getrandom(raw.data(), bytes, 0) != static_cast<ssize_t>(bytes))
        throw Error("getrandom: {}", errno_text());
    for (unsigned char c : raw) text += fmt::format("{:02x}", c);
    return text;
}

}  // namespace

void Run::start() {
    if (!is_head())
        asio::co_spawn(daemon_.io, node::report_to_head(daemon_, shared_from_this()),
                       asio::detached);
    if (failed()) return;
    if (is_head() && prolog_.spec.checkpoints)
        asio::co_spawn(
            daemon_.io,
            [self = shared_from_this()]() -> Task<void> {
                co_await self->preemption_->watch(self);
            },
            asio::detached);
    if (is_head() && prolog_.spec.checkpoint_every_s != 0)
        asio::co_spawn(
            daemon_.io,
            [self = shared_from_this()]() -> Task<void> { co_await self->save_periodically(); },
            asio::detached);
    // Before anything else: an earlier daemon's VMs may have to stand.
    ++busy_;
    asio::co_spawn(
        daemon_.io,
        [self = shared_from_this()]() -> Task<void> {
            co_await self->suspension_->watch(self);
            --self->busy_;
            self->changed_.notify_all();
        },
        asio::detached);
    ++busy_;
    asio::co_spawn(
        daemon_.io,
        [self = shared_from_this()]() -> Task<void> {
            co_await self->boot();
            --self->busy_;
            self->changed_.notify_all();
        },
        asio::detached);
}

Task<void> Run::boot() {
    try {
        // Slurm starts a run only after the epilogs of the one before; where that one's was lost,
        // it ends here.
        auto earlier = daemon_.runs;
        for (auto& [key, run] : earlier)
            if (key.first == job().id && run.get() != this && key.second < job().restart)
                co_await run->tear_down();

        image_ = co_await blocking(daemon_.pool, [this] {
            return image::find(daemon_.config, prolog_.spec.image, user_);
        });
        initrd_ = co_await blocking(daemon_.pool, [this] {
            return image::initrd_with_agent(*image_, paths::guest_agent, paths::cache_dir,
                                            is_smp() ? paths::guest_engine : "");
        });
        phase(fmt::format("image {}", image_->name));
        co_await find_source();
        if (stopping_ || failed()) co_return;
        if (!plan_) {
            co_await wait_for_container();
            if (stopping_) co_return;
            co_await make_plan();
        }
        if (was_loaded_ && is_head() && !stopping_) co_await sweep_checkpoints();
        while (!daemon_.acceleration && !stopping_) co_await daemon_.changed.wait();
        if (source_ && !stopping_) co_await check_hardware();
        if (prolog_.spec.network == spec::Network::private_ && !stopping_) co_await make_network();
        if (was_loaded_ && !stopping_) migration_->recover(shared_from_this());
        size_t left = 0;
        for (auto& vm : vms_) {
            if (stopping_) break;
            if (!vm->here || vm->leaving != 0 || vm->arriving != 0) continue;
            ++left;
            asio::co_spawn(
                daemon_.io,
                [&left, self = shared_from_this(), one = vm.get()]() -> Task<void> {
                    std::string fault;
                    try {
                        co_await self->boot_vm(*one);
                    } catch (const std::exception& error) {
                        fault = error.what();
                    }
                    // When QEMU died, libvirt's event tells why, and better than a closed channel
                    // does.
                    auto until = Clock::now() + std::chrono::seconds(4);
                    if (!fault.empty() && one->channel && !one->channel->open())
                        while (one->state != VmState::failed && !self->stopping_ &&
                               Clock::now() < until)
                            co_await self->changed_.wait(until);
                    if (!fault.empty()) self->vm_failed(*one, fault);
                    --left;
                    self->changed_.notify_all();
                },
                asio::detached);
        }
        while (left > 0) co_await changed_.wait();
    } catch (const std::exception& error) {
        fail(fmt::format("{}: {}", prolog_.node, error.what()));
    }
}

void Run::set_container(pid_t pid) {
    if (cgroup_ && container_alive()) return;
    cgroup_ = vm::find_job_cgroup(pid, job().id);
    container_pid_ = pid;
    container_start_ = start_of(pid).value_or(0);
    changed_.notify_all();
}

bool Run::container_alive() const {
    return container_pid_ != 0 && container_start_ != 0 &&
           start_of(container_pid_) == container_start_;
}

Container Run::container() const {
    if (container_pid_ == 0 && !host_rebooted_) return Container::unknown;
    return container_alive() ? Container::alive : Container::ended;
}

Task<void> Run::wait_for_container() {
    auto deadline = boot_deadline();
    while (!cgroup_ && !stopping_) {
        const bool in_time = co_await changed_.wait(deadline);
        if (!in_time && !cgroup_)
            throw Error(
                "Slurm made no container for the job in time (is "
                "PrologFlags=Alloc,Contain,DeferBatch set?)");
    }
}

Task<void> Run::make_plan() {
    std::vector<plan::NodeShare> allocation;
    for (size_t i = 0; i < prolog_.nodes.size(); ++i) {
        plan::NodeShare share{prolog_.nodes[i], prolog_.cpus[i], 0};
        // Only this node's limit can be read here. The others' VMs are sized by their own nodes;
        // here they count for names, addresses and vCPUs, which do not depend on memory.
        if (share.name == prolog_.node) share.memory_mb = cgroup_->memory_limit_mb;
        allocation.push_back(std::move(share));
    }
    plan_ = plan::make(planned_spec(), allocation, job(), daemon_.config.sizing());
    keep_addresses();
    adopt_plan();
    for (const auto& vm : vms_)
        if (vm->vm.memory_mb < image_->min_memory_mb)
            throw Error(
                "{} would get {} MB of memory and image '{}' needs {}: ask for more with --mem or "
                "--vm-mem",
                vm->vm.name, vm->vm.memory_mb, image_->name, image_->min_memory_mb);
    oom_kills_before_ = vm::oom_kills(*cgroup_);
    co_await save();
}

void Run::adopt_plan() {
    reports_.assign(plan_->vms.size(), {});
    vms_.reserve(plan_->vms.size());  // who goes through them is not disturbed by one that comes
    for (const auto& vm : plan_->on_node(prolog_.node)) {
        vms_.push_back(std::make_unique<LocalVm>());
        vms_.back()->vm = vm;
    }
}

Task<void> Run::make_network() {
    co_await blocking(daemon_.pool, [this] {
        network::Underlay underlay;
        underlay.local_address = network::resolve(prolog_.node);
        underlay.base_port = daemon_.config.network.vxlan_port;
        underlay.mtu = daemon_.config.network.mtu;
        for (const auto& node : prolog_.nodes)
            if (node != prolog_.node) underlay.peers.push_back({node, network::resolve(node)});
        network::create(migration_->located(), underlay);
    });
}

bool Run::knows_machines() const { return image_ && daemon_.acceleration; }

vm::Machine Run::machine(const LocalVm& local) const {
    vm::Machine machine;
    machine.job = job();
    machine.vm = local.vm;
    machine.uid = prolog_.uid;
    machine.gid = prolog_.gid;
    machine.kvm = daemon_.acceleration->kvm;
    struct stat device {};
    if (machine.kvm && ::stat("/dev/kvm", &device) == 0 && (device.st_mode & S_IROTH) == 0)
        machine.gid = device.st_gid;
    machine.cpu_model = daemon_.config.vm.cpu_model;
    machine.tcg_cache_mb = daemon_.config.vm.tcg_cache_mb;
    machine.kernel = image_->kernel;
    machine.initrd = initrd_;
    machine.command_line = image::command_line(*image_);
    if (!image_->disk.empty()) {
        machine.disk.overlay = folder_ / "disks" / (local.vm.name + ".qcow2");
        machine.disk.base = image_->disk;
        machine.disk.base_format = image_->disk_format;
    }
    if (prolog_.spec.network == spec::Network::private_) {
        machine.bridge = network::bridge_name(job());
        machine.tap = network::tap_name(job(), local.vm.index);
    }
    machine.channel_socket = folder_ / "sock" / (local.vm.name + ".channel");
    machine.console_socket = folder_ / "sock" / (local.vm.name + ".console");
    if (source_) {
        machine.restored = true;
        machine.type = source_->manifest.vms.at(local.vm.index).hardware.machine;
    }
    if (!local.machine_type.empty()) {
        machine.restored = true;
        machine.type = local.machine_type;
    }
    return machine;
}

Task<void> Run::boot_vm(LocalVm& local) {
    std::string domain = vm::domain_name(job(), local.vm.index);
    Stopwatch watch(local);
    local.state = VmState::booting;
    auto machine = this->machine(local);
    bool alive = co_await blocking(daemon_.pool,
                                   [this, &domain] { return daemon_.hypervisor->alive(domain); });
    if (!alive && local.started) throw Error("its QEMU ended while holond was away");
    if (alive && source_ && !local.loaded)
        throw Error("holond was replaced while its memory was loaded");
    bool rebooted_daemon = alive;
    if (!alive) {
        co_await blocking(daemon_.pool, [this, &machine, &local] {
            if (source_ && !machine.disk.overlay.empty())
                unpack_disk(user_, *source_, source_->manifest.vms.at(local.vm.index),
                            machine.disk.overlay);
            else if (!machine.disk.overlay.empty())
                image::create_overlay(*image_, machine.disk.overlay, user_);
        });
        watch.lap("overlay");
        co_await create_domain(local, machine);
        watch.lap("create");
    }
    if (stopping_) co_return;
    local.console = std::make_shared<Console>(daemon_.io, machine.console_socket,
                                              folder_ / (local.vm.name + ".console"));
    asio::co_spawn(
        daemon_.io, [console = local.console]() -> Task<void> { co_await console->run(); },
        asio::detached);
    if (local.home) {
        local.channel =
            std::make_shared<VmChannel>(daemon_.io, connect_unix(machine.channel_socket));
        ++busy_;
        asio::co_spawn(
            daemon_.io,
            [self = shared_from_this(), &local]() -> Task<void> {
                auto channel = local.channel;
                co_await channel->run();
                if (!channel->fault().empty() && !self->stopping_)
                    self->vm_failed(local, channel->fault());
                --self->busy_;
                self->changed_.notify_all();
            },
            asio::detached);
    }
    if (!machine.tap.empty())
        co_await blocking(daemon_.pool, [&] { network::attach_tap(job(), local.vm); });
    watch.lap("network");
    if (source_ && !alive) {
        co_await load(local);
        watch.lap("load");
        if (stopping_ || failed()) co_return;
    }
    // The daemon before this one may have died while it saved the VM.
    if (rebooted_daemon)
        co_await blocking(daemon_.pool, [&] { daemon_.hypervisor->end_save(domain); });
    if (rebooted_daemon && suspension_->suspended())
        co_await blocking(daemon_.pool, [&] { daemon_.hypervisor->suspend(domain); });
    while (suspension_->suspended() && !stopping_ && !failed()) co_await changed_.wait();
    if (stopping_ || failed()) co_return;
    co_await blocking(daemon_.pool, [&] { daemon_.hypervisor->resume(domain); });
    watch.lap("resume");
    if (!local.home) {
        local.state = VmState::running;
        changed_.notify_all();
        co_return;
    }
    // A daemon that comes back finds a guest that may just be busy; only a first boot has a time
    // limit.
    co_await local.channel->configure(guest_config(local.vm), rebooted_daemon && ready_
                                                                  ? Clock::time_point::max()
                                                                  : boot_deadline());
    if (rebooted_daemon) local.channel->set_clock();  // it may have stood
    watch.lap("guest");
    if (failed() || stopping_) co_return;
    if (source_ && !rebooted_daemon) end_other_sessions(local);
    local.state = VmState::running;
    local.connected = true;
    if (source_)
        spdlog::info("job {}: {} goes on", name(), local.vm.name);
    else
        spdlog::info("job {}: {} is ready (guest kernel and agent took {} ms)", name(),
                     local.vm.name, local.channel->guest_boot_ms());
    reports_[local.vm.index] = {VmState::running, {}, {}};
    check_ready();
    changed_.notify_all();
}

Task<void> Run::create_domain(LocalVm& local, const vm::Machine& machine) {
    co_await blocking(daemon_.pool, [this, &machine] {
        pid_t qemu = daemon_.hypervisor->create_paused(machine);
        vm::enter_leaf(*cgroup_, qemu);
        // When the job is over its memory the VM is what must go: were it a small process of the
        // step, nobody could name the VM.
        std::ofstream(fmt::format("/proc/{}/oom_score_adj", qemu)) << 1000;
    });
    local.started = true;
    local.started_at = now_s();
    co_await save();
}

Task<void> Run::take_over(LocalVm& local) {
    std::string fault;
    try {
        co_await boot_vm(local);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) vm_failed(local, fault);
}

nlohmann::json Run::guest_config(const plan::Vm& vm) const {
    nlohmann::json groups = nlohmann::json::array();
    bool primary = false;
    for (gid_t gid : user_.groups) {
        groups.push_back({{"name", group_name(gid)}, {"gid", gid}});
        primary = primary || gid == prolog_.gid;
    }
    if (!primary) groups.push_back({{"name", group_name(prolog_.gid)}, {"gid", prolog_.gid}});
    nlohmann::json hosts = nlohmann::json::array();
    std::string hostfile;
    for (const auto& each : plan_->vms) {
        if (!each.address.empty()) hosts.push_back({each.address, each.name});
        hostfile += fmt::format("{} slots={}\n", each.name, each.cpus);
    }
    auto host_key =
        derive_ssh_key(prolog_.spec.seed, "host", fmt::format("holon-job-{}", job().id));
    auto user_key = derive_ssh_key(prolog_.spec.seed, "user",
                                   fmt::format("{}@holon-job-{}", prolog_.user, job().id));
    const bool home = is_smp() && vm.index == plan::home(*plan_).index;
    if (is_smp()) hosts.push_back({plan::home(*plan_).address, smp_hostname(job())});
    nlohmann::json config{
        {"hostname", home ? smp_hostname(job()) : vm.name},
        {"vm_index", vm.index},
        {"job", name()},
        {"hosts", hosts},
        {"user",
         {{"name", prolog_.user},
          {"uid", prolog_.uid},
          {"gid", prolog_.gid},
          {"home", user_.home},
          {"shell", user_.shell},
          {"groups", groups}}},
        {"ssh",
         {{"host_private", host_key.private_text},
          {"host_public", host_key.public_text},
          {"user_private", user_key.private_text},
          {"user_public", user_key.public_text}}},
        {"files", nlohmann::json::array(
                      {{{"path", "/run/holon/hostfile"}, {"mode", 0644}, {"content", hostfile}}})},
        {"time_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count()},
        {"entropy", random_hex(32)}};
    if (vm.address.empty() || prolog_.spec.network == spec::Network::none)
        config["network"] = nullptr;
    else
        config["network"] = {{"mac", vm.mac},
                             {"address", vm.address},
                             {"prefix", plan_->prefix_length},
                             {"mtu", daemon_.config.network.mtu}};
    if (is_smp() && plan_->vms.size() > 1)
        config["smp"] = {{"name", vm.name},
                         {"address", vm.address},
                         {"home", plan::home(*plan_).address},
                         {"key", derive_engine_key(prolog_.spec.seed)},
                         {"nodes", plan_->vms.size()},
                         {"encrypted", daemon_.config.smp.encrypt}};
    if (!source_folder_.empty())
        config["restored"] = fmt::format("{}/{}", source_folder_.parent_path().filename().string(),
                                         source_folder_.filename().string());
    return config;
}

}  // namespace holon::node
