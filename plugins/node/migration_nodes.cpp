// SPDX-License-Identifier: GPL-2.0-or-later
// What the nodes do for a move: the one that a VM leaves, the one that takes it in, and its home.
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <chrono>
#include <utility>

#include "plugins/network/network.h"
#include "plugins/node/connection.h"
#include "plugins/node/daemon.h"
#include "plugins/node/file_stream.h"
#include "plugins/node/migration.h"
#include "plugins/node/peers.h"
#include "plugins/node/source.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"
#include "plugins/vm/save.h"

namespace holon::node {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// For a node to make room, and to answer.
constexpr auto lodging = 60s;
// For the guest. One that was stopped when the last conversation with it ended was seen not to
// answer on the next connection, in 2 of 8 tries, for what reason is not known; with another
// connection after this time 12 of 12 went on.
constexpr auto answering = 10s;
// For the order to reach a node that was asked for a place.
constexpr auto order_time = 10s;

json to_json(const vm::Hardware& hardware) {
    return {{"layout", hardware.layout}, {"machine", hardware.type},      {"kvm", hardware.kvm},
            {"cpu", hardware.cpu},       {"host_cpu", hardware.host_cpu}, {"qemu", hardware.qemu}};
}

checkpoint::SavedVm saved_as(const json& hardware, bool disk) {
    checkpoint::SavedVm saved;
    if (disk) saved.disk.emplace();
    saved.hardware.layout = hardware.at("layout");
    saved.hardware.machine = hardware.at("machine");
    saved.hardware.kvm = hardware.at("kvm");
    saved.hardware.cpu = hardware.at("cpu");
    saved.hardware.host_cpu = hardware.at("host_cpu");
    saved.hardware.qemu = hardware.at("qemu");
    return saved;
}

struct SocketPair {
    os::Fd ours, other;
    SocketPair() {
        int ends[2] = {-1, -1};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            throw Error("socketpair: {}", errno_text());
        ours.reset(ends[0]);
        other.reset(ends[1]);
    }
};

os::Fd socket_of(Connection& connection) { return os::Fd(connection.socket().release()); }

}  // namespace

// Its QEMU, and its disk.
void Migration::remove(const Run& run, const LocalVm& vm, const std::string& domain) {
    daemon_.hypervisor->destroy(domain);
    const auto overlay = run.machine(vm).disk.overlay;
    std::error_code ignored;
    if (!overlay.empty()) std::filesystem::remove(overlay, ignored);
}

// --- The node that a VM leaves
// ----------------------------------------------------------------------------------

Task<void> Migration::send(std::shared_ptr<Run> run, MoveOrder order) {
    own_ = {};
    own_.id = order.id;
    LocalVm* vm = run->local_vm(order.vm);
    std::string fault;
    try {
        if (vm == nullptr || !vm->here || vm->state != VmState::running)
            throw Error("vm{} does not run here", order.vm);
        co_await send_memory(run, *vm, order);
        reach(MoveReached::done);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        spdlog::warn("job {}: vm{} is not moved: {}", run->name(), order.vm, fault);
        own_.error = fault;
        run->changed().notify_all();
    }
    const bool stays = co_await committed(run, order.id, order.vm);
    if (vm != nullptr && vm->leaving == order.id && !run->stopping())
        co_await leave(run, *vm, !stays);
    work_ = {};
}

Task<void> Migration::send_memory(std::shared_ptr<Run> run, LocalVm& vm, MoveOrder order) {
    const vm::Machine machine = run->machine(vm);
    const std::string domain = vm::domain_name(run->job(), vm.vm.index);
    if (run->suspension().suspended()) throw Error("the job is suspended");
    vm::Hardware hardware;
    co_await blocking(daemon_.pool,
                      [&] { hardware = daemon_.hypervisor->hardware(domain, machine); });
    const tunnel::Key key = tunnel::random_key();
    auto connection = co_await connect_to(daemon_, order.to);
    const json request = {{"op", "lodge"},
                          {"job", run->job().id},
                          {"restart", run->job().restart},
                          {"vm", order.vm},
                          {"move", order.id},
                          {"started_at", vm.started_at},
                          {"image", machine.disk.overlay.empty() ? "" : run->image_identity()},
                          {"hardware", to_json(hardware)},
                          {"key", tunnel::to_text(key)}};
    co_await connection->send(request);
    const json reply = co_await connection->receive(Clock::now() + lodging);
    if (reply.contains("error")) throw Error("{}", reply["error"].get<std::string>());
    vm.leaving = order.id;
    co_await run->save_now();
    SocketPair pair;
    vm::SaveRequest wanted{domain, vm.vm.memory_mb, vm::SaveMethod::stopped, {}, true};
    work_.save = daemon_.hypervisor->save(wanted);
    const auto save = work_.save;
    own_.expected = save->resident();
    const auto carrying =
        carry(run, std::move(pair.other), socket_of(*connection), tunnel::Side::client, key);
    work_.carrying = carrying;
    // Told as it goes, from here on.
    auto over = std::make_shared<bool>(false);
    spawn(run,
          [](Migration* self, std::shared_ptr<Run> of, std::shared_ptr<Carrying> count,
             std::shared_ptr<bool> end) -> Task<void> {
              while (!*end) {
                  self->own_.bytes = count->control.sent;
                  if (self->work_.disk) self->own_.bytes += self->work_.disk->control.sent;
                  of->changed().notify_all();
                  asio::steady_timer pause(self->daemon_.io, 200ms);
                  co_await pause.async_wait(asio::use_awaitable);
              }
          }(this, run, carrying, over));
    struct Over {
        std::shared_ptr<bool> flag;
        ~Over() { *flag = true; }
    } at_end{over};
    co_await blocking(daemon_.pool, [&] {
        save->prepare(-1, pair.ours.get());
        pair.ours.reset();  // QEMU has its own: the stream ends when that does
        save->stop();
    });
    reach(MoveReached::stands);
    if (!machine.disk.overlay.empty()) co_await send_disk(run, vm, order);
    co_await blocking(daemon_.pool, [&] {
        save->go_on();
        save->finish();
    });
    while (!carrying->done && !run->stopping()) co_await run->changed().wait();
    if (!carrying->fault.empty()) throw Error("{}", carrying->fault);
    own_.bytes = carrying->control.sent + (work_.disk ? work_.disk->control.sent.load() : 0);
}

// What was written to its disk; QEMU has put all of it into the file when the VM stood.
Task<void> Migration::send_disk(std::shared_ptr<Run> run, const LocalVm& vm, MoveOrder order) {
    const vm::Machine machine = run->machine(vm);
    const tunnel::Key key = tunnel::random_key();
    auto connection = co_await connect_to(daemon_, order.to);
    const json request = {{"op", "disk"},   {"job", run->job().id}, {"restart", run->job().restart},
                          {"vm", order.vm}, {"move", order.id},     {"key", tunnel::to_text(key)}};
    co_await connection->send(request);
    const json reply = co_await connection->receive(Clock::now() + lodging);
    if (reply.contains("error")) throw Error("{}", reply["error"].get<std::string>());
    SocketPair pair;
    const auto carrying =
        carry(run, std::move(pair.other), socket_of(*connection), tunnel::Side::client, key);
    work_.disk = carrying;
    os::Fd file;
    std::string fault;
    try {
        co_await blocking(daemon_.pool, [&] {
            file = os::open_as(run->user(), machine.disk.overlay, O_RDONLY);
            own_.expected += std::filesystem::file_size(machine.disk.overlay);
            send_file(file.get(), pair.ours.get());
            pair.ours.reset();
        });
    } catch (const std::exception& error) {
        fault = carrying->fault.empty() ? error.what() : carrying->fault;
    }
    if (!fault.empty()) throw Error("{}", fault);
}

// What becomes of a VM that stands here since its memory was sent.
Task<void> Migration::leave(std::shared_ptr<Run> run, LocalVm& vm, bool gone) {
    const std::string domain = vm::domain_name(run->job(), vm.vm.index);
    if (!gone) {
        if (work_.save) {
            const auto save = work_.save;
            co_await blocking(daemon_.pool, [&] { save->abort(); });
        }
        vm.leaving = 0;
        while (!run->stopping() && !run->suspension().suspended()) {
            std::string fault;
            try {
                co_await blocking(daemon_.pool, [&] { daemon_.hypervisor->resume(domain); });
            } catch (const std::exception& error) {
                fault = error.what();
            }
            if (fault.empty()) break;
            spdlog::error("job {}: {} stands: {}; trying again", run->name(), vm.vm.name, fault);
            const auto again = Clock::now() + 2s;
            while (Clock::now() < again && !run->stopping()) co_await run->changed().wait(again);
        }
        if (vm.home && vm.channel) vm.channel->set_clock();
        co_await run->save_now();
        run->changed().notify_all();
        co_return;
    }
    vm.here = vm.started = false;
    vm.leaving = 0;
    if (vm.home) {
        vm.connected = false;
        if (vm.channel) {
            vm.channel->cut_sessions();
            vm.channel->close();
        }
    } else {
        vm.state = VmState::waiting;
    }
    if (vm.console) vm.console->close();
    co_await blocking(daemon_.pool, [&] { remove(*run, vm, domain); });
    co_await run->save_now();
    if (vm.home) spawn(run, keep_channel(run, vm));
    spdlog::info("job {}: {} has left for {}", run->name(), vm.vm.name, host_of(vm.vm.index));
    run->changed().notify_all();
}

// --- The node that takes it in
// ----------------------------------------------------------------------------------

void Migration::check_room(const LocalVm& vm) const {
    const std::uint64_t limit = run_.cgroup() ? run_.cgroup()->memory_limit_mb : 0;
    if (limit == 0) return;
    const std::uint64_t reserve = daemon_.config.sizing().reserve_mb;
    std::uint64_t used = vm.vm.memory_mb + reserve;
    for (const auto& other : run_.vms())
        if (other.get() != &vm && other->here) used += other->vm.memory_mb + reserve;
    if (used > limit)
        throw Error(
            "the job has {} MB there, and its VMs would need {} with {}: ask for more with --mem, "
            "and keep the VMs small with --vm-mem",
            limit, used, vm.vm.name);
}

Task<void> Migration::lodge(std::shared_ptr<Run> run, Connection& client, const json& request) {
    const std::uint64_t id = request.at("move");
    const std::uint32_t index = request.at("vm");
    const std::string image = request.at("image");  // that its disk is on; empty: it has none
    const tunnel::Key key = tunnel::key_from_text(request.at("key").get<std::string>());
    const auto deadline = Clock::now() + order_time;
    const auto ordered = [&] {
        return order_.id == id && order_.vm == index && order_.to == run->prolog().node;
    };
    while (!ordered() && !run->stopping()) {
        const bool in_time = co_await run->changed().wait(deadline);
        if (!in_time && !ordered())
            throw Error("job {}: its first node has said nothing of such a move", run->name());
    }
    if (run->stopping() || run->failed()) throw Error("job {} has ended", run->name());
    if (!run->knows_machines()) throw Error("holond there has just been started; try again");
    if (run->suspension().suspended()) throw Error("the job is suspended");
    const MoveOrder order = order_;
    LocalVm& vm = run->lodger(index);
    if (vm.here || vm.arriving != 0) throw Error("{} has left something here", vm.vm.name);
    check_room(vm);
    const checkpoint::SavedVm saved = saved_as(request.at("hardware"), !image.empty());
    if (!image.empty() && image != run->image_identity())
        throw Error("image '{}' there is another one than here", run->image_name());
    vm.machine_type = saved.hardware.machine;
    vm.arriving = id;
    own_ = {};
    own_.id = id;
    std::string fault;
    try {
        co_await run->save_now();
        const vm::Machine machine = run->machine(vm);
        const std::string why = co_await blocking(
            daemon_.pool, [&] { return cannot_go_on(*daemon_.hypervisor, saved, machine); });
        if (!why.empty()) throw Error("{} cannot go on there: {}", vm.vm.name, why);
        // QEMU reads it anew when the memory is there.
        if (!machine.disk.overlay.empty())
            co_await blocking(daemon_.pool, [&] {
                std::filesystem::remove(machine.disk.overlay);
                run->create_overlay(machine.disk.overlay);
            });
        co_await run->create_domain(vm, machine);
        vm.started_at = request.at("started_at");
        if (!machine.tap.empty())
            co_await blocking(daemon_.pool, [&] { network::attach_tap(run->job(), vm.vm); });
        const json reply = {{"ok", true}};
        co_await client.send(reply);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (!fault.empty()) {
        co_await arrive(run, vm, false);
        throw Error("{}", fault);
    }
    spawn(run, receive(run, vm, order, socket_of(client), key));
}

Task<void> Migration::receive(std::shared_ptr<Run> run, LocalVm& vm, MoveOrder order, os::Fd socket,
                              tunnel::Key key) {
    const std::string domain = vm::domain_name(run->job(), vm.vm.index);
    std::string fault;
    try {
        SocketPair pair;
        const auto carrying =
            carry(run, std::move(pair.other), std::move(socket), tunnel::Side::server, key);
        work_.carrying = carrying;
        co_await blocking(daemon_.pool, [&] {
            daemon_.hypervisor->load_memory(domain, pair.ours.get());
            pair.ours.reset();
        });
        while (!carrying->done && !run->stopping()) co_await run->changed().wait();
        if (!carrying->fault.empty()) throw Error("{}", carrying->fault);
        reach(MoveReached::done);
    } catch (const std::exception& error) {
        fault =
            work_.carrying && !work_.carrying->fault.empty() ? work_.carrying->fault : error.what();
    }
    if (!fault.empty()) {
        own_.error = fault;
        run->changed().notify_all();
    }
    const bool here = co_await committed(run, order.id, order.vm);
    work_ = {};
    if (!run->stopping()) co_await arrive(run, vm, here);
    if (here) reach(MoveReached::runs);
}

Task<void> Migration::take_disk(std::shared_ptr<Run> run, Connection& client, const json& request) {
    const std::uint64_t id = request.at("move");
    const tunnel::Key key = tunnel::key_from_text(request.at("key").get<std::string>());
    const LocalVm* vm = run->local_vm(request.at("vm"));
    if (vm == nullptr || id == 0 || vm->arriving != id || order_.id != id || !run->knows_machines())
        throw Error("job {}: no such move", run->name());
    const vm::Machine machine = run->machine(*vm);
    if (machine.disk.overlay.empty()) throw Error("{} has no disk here", vm->vm.name);
    os::Fd file;
    co_await blocking(daemon_.pool,
                      [&] { file = os::open_as(run->user(), machine.disk.overlay, O_WRONLY); });
    const json reply = {{"ok", true}};
    co_await client.send(reply);
    SocketPair pair;
    const auto carrying =
        carry(run, std::move(pair.other), socket_of(client), tunnel::Side::server, key);
    work_.disk = carrying;
    std::string fault;
    try {
        co_await blocking(daemon_.pool, [&] {
            const auto space = std::filesystem::space(machine.disk.overlay.parent_path());
            receive_file(pair.ours.get(), file.get(), space.available);
            pair.ours.reset();
        });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    pair.ours.reset();
    if (!fault.empty()) spdlog::warn("job {}: {}", run->name(), fault);
}

// What becomes of a VM that was taken in: it runs here, or nothing of it is left.
Task<void> Migration::arrive(std::shared_ptr<Run> run, LocalVm& vm, bool here) {
    const std::string domain = vm::domain_name(run->job(), vm.vm.index);
    if (!here) {
        co_await blocking(daemon_.pool, [&] { remove(*run, vm, domain); });
        vm.arriving = 0;
        vm.started = false;
        co_await run->save_now();
        co_return;
    }
    vm.here = vm.loaded = true;
    vm.arriving = 0;
    co_await run->save_now();
    co_await change_network(run);
    co_await run->take_over(vm);
    spdlog::info("job {}: {} runs here now", run->name(), vm.vm.name);
}

// --- The home of a VM that is elsewhere
// --------------------------------------------------------------------------

Task<void> Migration::keep_channel(std::shared_ptr<Run> run, LocalVm& vm) {
    auto pause = 20ms;
    while (!run->stopping() && !run->failed() && !vm.here && vm.arriving == 0) {
        const std::string host = host_of(vm.vm.index);
        std::string fault;
        const auto begun = Clock::now();
        if (host != run->prolog().node) {
            try {
                co_await hold_channel(run, vm, host);
            } catch (const std::exception& error) {
                fault = error.what();
            }
        }
        vm.connected = false;
        if (vm.channel) {
            vm.channel->cut_sessions();
            vm.channel->close();
        }
        if (Clock::now() - begun > 5s) pause = 20ms;
        if (pause > 1s)
            spdlog::warn("job {}: {} on {}: {}; trying again", run->name(), vm.vm.name, host,
                         fault);
        const auto until = Clock::now() + pause;
        while (Clock::now() < until && !run->stopping() && host == host_of(vm.vm.index))
            co_await run->changed().wait(until);
        pause = std::min(pause * 2, 2000ms);
    }
}

// Returns, or throws, when the conversation has ended.
Task<void> Migration::hold_channel(std::shared_ptr<Run> run, LocalVm& vm, std::string host) {
    const tunnel::Key key = tunnel::random_key();
    auto connection = co_await connect_to(daemon_, host);
    const json request = {{"op", "channel"},
                          {"job", run->job().id},
                          {"restart", run->job().restart},
                          {"vm", vm.vm.index},
                          {"key", tunnel::to_text(key)}};
    co_await connection->send(request);
    const json reply = co_await connection->receive(Clock::now() + 10s);
    if (reply.contains("error")) throw Error("{}", reply["error"].get<std::string>());
    SocketPair pair;
    const auto carrying =
        carry(run, std::move(pair.other), socket_of(*connection), tunnel::Side::client, key);
    auto channel = std::make_shared<VmChannel>(daemon_.io, std::move(pair.ours));
    vm.channel = channel;
    spawn(run,
          [](std::shared_ptr<Run> of, LocalVm& one, std::shared_ptr<VmChannel> its) -> Task<void> {
              co_await its->run();
              if (!its->fault().empty() && !of->stopping()) of->lose(one, its->fault());
              of->changed().notify_all();
          }(run, vm, channel));
    std::string fault;
    try {
        co_await channel->configure(run->guest_config(vm.vm), Clock::now() + answering);
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (fault.empty()) {
        channel->set_clock();
        vm.connected = true;
        run->changed().notify_all();
        while (channel->open() && !run->stopping() && !vm.here && host == host_of(vm.vm.index))
            co_await run->changed().wait();
    }
    carrying->control.stop = true;
    if (!fault.empty()) throw Error("{}", fault);
}

Task<void> Migration::channel(std::shared_ptr<Run> run, Connection& client, const json& request) {
    const std::uint32_t index = request.at("vm");
    const tunnel::Key key = tunnel::key_from_text(request.at("key").get<std::string>());
    const LocalVm* vm = run->local_vm(index);
    if (vm == nullptr || !vm->here || vm->arriving != 0 || vm->state != VmState::running)
        throw Error("job {}: vm{} is not on {}", run->name(), index, daemon_.host);
    os::Fd qemu = connect_unix(run->machine(*vm).channel_socket);
    const json reply = {{"ok", true}};
    co_await client.send(reply);
    carry(run, std::move(qemu), socket_of(client), tunnel::Side::server, key);
}

// --- A daemon that takes over
// ------------------------------------------------------------------------------------

void Migration::recover(std::shared_ptr<Run> run) {
    for (auto& vm : run->vms()) {
        if (vm->leaving != 0 || vm->arriving != 0)
            spawn(run, finish_earlier(run, *vm));
        else if (vm->home && !vm->here)
            spawn(run, keep_channel(run, *vm));
        if (vm->home && !vm->here) vm->state = VmState::running;
    }
    spawn(run, change_network(run));
}

Task<void> Migration::finish_earlier(std::shared_ptr<Run> run, LocalVm& vm) {
    const std::uint64_t id = vm.leaving != 0 ? vm.leaving : vm.arriving;
    const bool here = co_await committed(run, id, vm.vm.index);
    if (run->stopping()) co_return;
    if (vm.arriving != 0) {
        co_await arrive(run, vm, here);
        if (!here && vm.home) spawn(run, keep_channel(run, vm));
    } else if (here) {
        vm.leaving = 0;
        co_await run->save_now();
        co_await run->take_over(vm);
    } else {
        co_await leave(run, vm, true);
    }
}

}  // namespace holon::node
