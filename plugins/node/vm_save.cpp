// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/vm_save.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "paths.h"
#include "plugins/node/daemon.h"
#include "plugins/node/suspension.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::node {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr size_t longest_line = 4096;
constexpr int pipe_size = 1 << 20;

}  // namespace

// --- One part
// ------------------------------------------------------------------------------------------------------

Task<void> PartWriter::begin(const std::filesystem::path& file, std::uint64_t reserve,
                             os::Fd& input, const std::function<void()>& failed) {
    failed_ = failed;
    os::RunOptions options;
    options.as = run_->user();
    const auto& config = daemon_.config.checkpoints;
    const std::vector<std::string> argv{
        paths::checkpoint_store, "write",
        file.string(),           config.compress,
        std::to_string(reserve), std::to_string(config.min_free_mb << 20)};
    // A thread of the pool, which lives as long as the daemon: the program ends with it.
    co_await blocking(daemon_.pool, [&] {
        child_ = std::make_unique<os::Child>(argv, options, std::move(input), os::Fd());
    });
    ended_ = false;
    asio::co_spawn(
        daemon_.io, [self = shared_from_this()]() -> Task<void> { co_await self->listen(); },
        asio::detached);
}

Task<void> PartWriter::listen() {
    asio::posix::stream_descriptor messages(daemon_.io, child_->messages().release());
    std::string text;
    char chunk[4096];
    for (;;) {
        boost::system::error_code error;
        const size_t got = co_await messages.async_read_some(
            asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
        text.append(chunk, got);
        for (size_t end; (end = text.find('\n')) != text.npos; text.erase(0, end + 1))
            hear(text.substr(0, end));
        if (text.size() > longest_line) text.clear();
    }
    int status = 0;
    co_await blocking(daemon_.pool, [&] { status = child_->wait(); });
    if (status != 0 && fault_.empty())
        fault_ = fmt::format("the program that writes the checkpoint ended with status {}", status);
    if (fault_.empty() && part_.xxh3.empty()) fault_ = "no word of what was written";
    ended_ = true;
    if (!fault_.empty()) failed_();
    run_->changed().notify_all();
}

void PartWriter::hear(const std::string& line) {
    const json said = json::parse(line, nullptr, false);
    try {
        if (!said.is_object()) throw Error("{}", line.substr(0, 500));
        reserved_ = reserved_ || said.value("reserved", false);
        content_ = said.value("content", content_);
        bytes_ = said.value("bytes", bytes_);
        if (said.contains("xxh3"))
            part_ = {said.at("file"), said.at("bytes"), said.at("content"), said.at("xxh3")};
    } catch (const std::exception& error) {
        fault_ = error.what();
    }
    run_->changed().notify_all();
}

Task<void> PartWriter::reserved() {
    while (!reserved_ && !ended_) co_await run_->changed().wait();
    if (!fault_.empty()) throw Error("{}", fault_);
}

Task<checkpoint::Part> PartWriter::done() {
    while (!ended_) co_await run_->changed().wait();
    if (!fault_.empty()) throw Error("{}", fault_);
    co_return part_;
}

void PartWriter::kill() {
    if (child_ && !ended_) child_->kill();
}

// --- One VM
// --------------------------------------------------------------------------------------------------------

VmSave::VmSave(LocalSave& whole, LocalVm& vm)
    : whole_(whole),
      vm_(vm),
      domain_(vm::domain_name(whole.run_->job(), vm.vm.index)),
      memory_(std::make_shared<PartWriter>(whole.daemon_, whole.run_)),
      disk_(std::make_shared<PartWriter>(whole.daemon_, whole.run_)) {
    saved_.vm = vm.vm;
}

VmSave::~VmSave() = default;

Task<void> VmSave::prepare() {
    Run& run = *whole_.run_;
    Daemon& daemon = whole_.daemon_;
    const vm::Machine machine = run.machine(vm_);
    // One that stands afterwards has nothing of running on meanwhile.
    const auto best = whole_.order_.stay ? vm::SaveMethod::stopped : vm::SaveMethod::background;
    vm::SaveRequest request{domain_, vm_.vm.memory_mb, best, {}, whole_.order_.stay};
    co_await blocking(whole_.threads_, [&] {
        if (!machine.disk.overlay.empty()) {
            request.disk_copy = machine.disk.overlay.string() + ".save";
            ::unlink(request.disk_copy.c_str());
            run.create_overlay(request.disk_copy);
        }
        save_ = daemon.hypervisor->save(request);
        expected_ = save_->resident();
        const vm::Hardware hardware = daemon.hypervisor->hardware(domain_, machine);
        saved_.hardware = {hardware.layout, hardware.type,     hardware.kvm,
                           hardware.cpu,    hardware.host_cpu, hardware.qemu};
    });
    disk_copy_ = request.disk_copy;
    vm::SavePipe pipe(machine.channel_socket.parent_path());
    ::fcntl(pipe.writer.get(), F_SETPIPE_SZ, pipe_size);
    os::Fd input(::fcntl(pipe.reader.get(), F_DUPFD_CLOEXEC, 0));
    if (!input.valid()) throw Error("pipe: {}", errno_text());
    std::filesystem::path file = whole_.order_.folder;
    file /= vm_.vm.name + ".memory";
    // QEMU does not see its pipe break where it holds both ends.
    const std::function<void()> failed = [weak = std::weak_ptr(save_)] {
        if (const auto save = weak.lock()) save->cancel();
    };
    co_await memory_->begin(file, expected_, input, failed);
    co_await memory_->reserved();
    co_await blocking(whole_.threads_,
                      [&] { save_->prepare(pipe.reader.get(), pipe.writer.get()); });
    if (!save_->reason().empty())
        spdlog::info("job {}: {} will stand while it is saved: {}", run.name(), vm_.vm.name,
                     save_->reason());
}

checkpoint::Method VmSave::method() const {
    return save_->method() == vm::SaveMethod::background ? checkpoint::Method::background
                                                         : checkpoint::Method::stopped;
}

Task<void> VmSave::stop() {
    co_await blocking(whole_.threads_, [this] { save_->stop(); });
}

Task<void> VmSave::written_by(void (vm::Save::*step)()) {
    std::string fault;
    try {
        co_await blocking(whole_.threads_, [this, step] { (save_.get()->*step)(); });
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (fault.empty()) co_return;
    // QEMU only sees that its pipe broke; why, the writer knows, and it ends soon after.
    const auto deadline = Clock::now() + 5s;
    while (!memory_->ended() && Clock::now() < deadline)
        co_await whole_.run_->changed().wait(deadline);
    throw Error("{}", memory_->ended() && !memory_->fault().empty() ? memory_->fault() : fault);
}

Task<void> VmSave::go_on() { co_await written_by(&vm::Save::go_on); }

Task<void> VmSave::finish() {
    co_await written_by(&vm::Save::finish);
    saved_.memory = co_await memory_->done();
    if (disk_copy_.empty()) co_return;
    os::Fd copy;
    std::uint64_t size = 0;
    co_await blocking(whole_.threads_, [&] {
        copy = os::open_as(whole_.run_->user(), disk_copy_, O_RDONLY);
        size = std::filesystem::file_size(disk_copy_);
    });
    std::filesystem::path file = whole_.order_.folder;
    file /= vm_.vm.name + ".disk";
    const std::function<void()> nothing = [] {};
    co_await disk_->begin(file, size, copy, nothing);
    saved_.disk = co_await disk_->done();
    ::unlink(disk_copy_.c_str());
}

// Also where libvirtd is away for a while: a VM is not left standing. (One whose job is suspended
// goes on with it.)
Task<void> VmSave::let_run() {
    Run& run = *whole_.run_;
    while (!run.stopping() && vm_.state == VmState::running && !run.suspension().suspended()) {
        std::string fault;
        try {
            co_await blocking(whole_.threads_,
                              [this] { whole_.daemon_.hypervisor->resume(domain_); });
        } catch (const std::exception& error) {
            fault = error.what();
        }
        if (fault.empty()) break;
        spdlog::error("job {}: {} stands: {}; trying again", run.name(), vm_.vm.name, fault);
        const auto again = Clock::now() + 2s;
        while (Clock::now() < again && !run.stopping()) co_await run.changed().wait(again);
    }
}

Task<void> VmSave::abort() {
    if (save_) co_await blocking(whole_.threads_, [this] { save_->abort(); });
    if (save_) co_await let_run();
    // A program that hangs in a dead file server ends when that comes back.
    const auto deadline = Clock::now() + 30s;
    while ((!memory_->ended() || !disk_->ended()) && Clock::now() < deadline)
        co_await whole_.run_->changed().wait(deadline);
    if (!disk_copy_.empty()) ::unlink(disk_copy_.c_str());
}

void VmSave::cancel() {
    if (save_) save_->cancel();
    memory_->kill();
    disk_->kill();
}

}  // namespace holon::node
