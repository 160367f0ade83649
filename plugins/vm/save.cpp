// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/save.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <thread>
#include <vector>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/vm/save_domain.h"

namespace holon::vm {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// Names inside QEMU.
constexpr const char* stream_name = "holon-save";
constexpr const char* job_name = "holon-save-disk";
constexpr const char* copy_name = "holon-save-copy";
constexpr const char* reader_name = "holon-save-reader";
// Part of the name of a SavePipe.
constexpr const char* pipe_name = "holon-save";

constexpr auto soon = 30s;        // what QEMU does by itself, on a loaded host
constexpr auto long_enough = 1h;  // what depends on disks; the caller watches the progress
constexpr std::uint64_t unlimited = 1ull << 50;  // bytes per second

// QEMU reads all of the guest's memory before it protects it, while the VM stands: that costs most
// where the guest never touched it, for pages that come into being then. They do so here.
void touch_memory(pid_t qemu, std::uint64_t memory_mb) {
    constexpr std::uint64_t page = 4096;
    const std::uint64_t size = memory_mb << 20;
    std::istringstream maps(os::read_file(fmt::format("/proc/{}/maps", qemu)));
    std::uint64_t begin = 0;
    for (std::string line; std::getline(maps, line);) {
        std::uint64_t from = 0, to = 0;
        char rights[5] = {};
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) == 3 && rights[0] == 'r' &&
            rights[1] == 'w' && to - from >= size)
            begin = from;
    }
    if (begin == 0) return;  // in several pieces: the VM stands longer
    std::array<char, 1024> bytes{};
    std::array<iovec, 1024> pages{};
    for (std::uint64_t at = 0; at < size;) {
        std::size_t count = 0;
        for (; count < pages.size() && at < size; ++count, at += page)
            pages[count] = {reinterpret_cast<void*>(begin + at), 1};
        const iovec into{bytes.data(), count};
        if (::process_vm_readv(qemu, &into, 1, pages.data(), count, 0) < 0) return;
    }
}

json background(bool on) {
    const json capability = {{"capability", "background-snapshot"}, {"state", on}};
    return {{"capabilities", json::array({capability})}};
}

// Of QEMU 7.2, and of 9.1 and newer.
bool has_snapshot_thread(pid_t qemu) {
    std::error_code error;
    for (const auto& thread :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/task", qemu), error)) {
        const auto name = os::read_file_if_exists(thread.path() / "comm").value_or("");
        if (name == "bg_snapshot\n" || name == "mig/snapshot\n") return true;
    }
    return false;
}

// Reads PIPE until nobody has its other end any more, that is until QEMU has written all or has
// died. Not waited for: a QEMU that hangs would be.
void drain(os::Fd pipe) {
    std::thread([end = std::move(pipe)] {
        std::vector<char> bytes(1u << 16);
        while (::read(end.get(), bytes.data(), bytes.size()) > 0) {
        }
    }).detach();
}

}  // namespace

SavePipe::SavePipe(const std::filesystem::path& folder) {
    static std::atomic<unsigned> number{0};
    const auto path = folder / fmt::format("{}.{}.{}", pipe_name, ::getpid(), ++number);
    if (::mkfifo(path.c_str(), 0600) != 0) throw Error("{}: {}", path.string(), errno_text());
    reader.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    writer.reset(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    const std::string fault = reader.valid() && writer.valid() ? "" : errno_text();
    ::unlink(path.c_str());
    if (!fault.empty()) throw Error("{}: {}", path.string(), fault);
    ::fcntl(reader.get(), F_SETFL, 0);
}

DomainSave::DomainSave(Connection& connection, SaveRequest request, pid_t qemu)
    : monitor_(connection, request.domain), request_(std::move(request)), qemu_(qemu) {}

DomainSave::~DomainSave() {
    abort();
    if (reader_ >= 0) ::close(reader_);
}

// QEMU says that a migration is completed before it has left the state for it, in which it refuses
// to run on.
bool DomainSave::is_finalized() const {
    return monitor_.ask("query-status").value("status", std::string()) != "finish-migrate";
}

// No migration is going on.
bool DomainSave::is_over() const {
    const auto now = monitor_.ask("query-migrate").value("status", std::string("none"));
    if (now != "none" && now != "completed" && now != "failed" && now != "cancelled") return false;
    return is_finalized();
}

// Throws where the migration has failed.
bool DomainSave::is_written() const {
    const json answer = monitor_.ask("query-migrate");
    const auto status = answer.value("status", std::string("none"));
    if (status == "failed" || status == "cancelled")
        throw Error("{}: QEMU could not write the memory{}{}", request_.domain,
                    answer.contains("error-desc") ? ": " : "",
                    answer.value("error-desc", std::string()));
    return status == "completed" && is_finalized();
}

// Whoever cancels waits for the step to throw.
void DomainSave::until(const char* what, std::chrono::milliseconds patience,
                       const std::function<bool()>& done) {
    monitor_.until(what, patience, [&] {
        if (cancelled_) throw Error("{}: the save was given up", request_.domain);
        return done();
    });
}

std::uint64_t DomainSave::resident() const {
    std::istringstream lines(os::read_file(fmt::format("/proc/{}/status", qemu_)));
    for (std::string line; std::getline(lines, line);)
        if (std::uint64_t kb = 0; std::sscanf(line.c_str(), "VmRSS: %lu kB", &kb) == 1)
            return std::min(kb << 10, request_.memory_mb << 20);
    throw Error("{}: its QEMU has ended", request_.domain);
}

// QEMU itself may wait for the pipe, and answer nothing until somebody reads.
void DomainSave::write_to_nowhere() noexcept {
    if (const int reader = reader_.exchange(-1); reader >= 0) drain(os::Fd(reader));
}

void DomainSave::cancel() noexcept {
    cancelled_ = true;
    write_to_nowhere();
}

// A background save is not cancelled but written to nowhere: a guest was seen to stand for good
// after QEMU 7.2 had cancelled one.
void DomainSave::end_migration() {
    if (method_ == SaveMethod::background)
        write_to_nowhere();
    else
        monitor_.try_to("migrate_cancel");
    monitor_.until("ending the save", long_enough, [&] { return is_over(); });
}

// What an earlier daemon's save may still be writing to; nobody reads it now.
bool DomainSave::read_leftovers() const {
    bool found = false;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", qemu_), error)) {
        const auto target = std::filesystem::read_symlink(entry.path(), error);
        if (error || target.string().find(pipe_name) == std::string::npos) continue;
        os::Fd end(::open(entry.path().c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        struct stat status {};
        if (!end.valid() || ::fstat(end.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) continue;
        ::fcntl(end.get(), F_SETFL, 0);
        drain(std::move(end));
        found = true;
    }
    return found;
}

void DomainSave::forget_leftovers() noexcept {
    try {
        if (read_leftovers()) method_ = SaveMethod::background;
        end_migration();
    } catch (const std::exception&) {
        // What depends on it says so.
    }
    for (const char* name : {stream_name, reader_name})
        monitor_.try_to("closefd", {{"fdname", name}});
    forget_copy();
    method_ = SaveMethod::stopped;
}

bool DomainSave::prepare_background(int reader) {
    try {
        monitor_.ask("migrate-set-capabilities", background(true));
    } catch (const Connection::Broken&) {
        throw;
    } catch (const Error& error) {
        reason_ = error.what();
        return false;
    }
    monitor_.give(reader_name, reader);
    reader_ = ::fcntl(reader, F_DUPFD_CLOEXEC, 0);
    if (reader_ < 0) throw Error("{}: {}", request_.domain, errno_text());
    touch_memory(qemu_, request_.memory_mb);
    return true;
}

void DomainSave::prepare(int reader, int writer) {
    forget_leftovers();
    monitor_.give(stream_name, writer);
    given_ = true;
    monitor_.ask("migrate-set-parameters", {{"max-bandwidth", unlimited}});
    if (request_.best == SaveMethod::background && prepare_background(reader)) {
        method_ = SaveMethod::background;
        return;
    }
    // After a background save the capability is on, for QEMU lifts the protection of the guest's
    // pages after it has told the end, and only where it is on.
    until("ending the last save's thread", soon, [&] { return !has_snapshot_thread(qemu_); });
    monitor_.try_to("migrate-set-capabilities", background(false));
}

void DomainSave::stop() {
    stopped_ = true;
    monitor_.suspend();
}

void DomainSave::begin_copy() {
    if (request_.disk_copy.empty()) return;
    std::string node;
    for (const json& drive : monitor_.ask("query-block"))
        if (drive.contains("inserted")) node = drive["inserted"].value("node-name", std::string());
    if (node.empty()) throw Error("{}: QEMU knows no disk of it", request_.domain);
    copying_ = true;
    monitor_.ask("blockdev-add",
                 {{"driver", "qcow2"},
                  {"node-name", copy_name},
                  {"file", {{"driver", "file"}, {"filename", request_.disk_copy.string()}}}});
    monitor_.ask("blockdev-backup", {{"job-id", job_name},
                                     {"device", node},
                                     {"target", copy_name},
                                     {"sync", "top"},
                                     {"auto-dismiss", false}});
}

void DomainSave::finish_copy() {
    if (!copying_) return;
    until("copying the disk", long_enough, [&] { return copy_is_over(true); });
    forget_copy();
    copying_ = false;
}

bool DomainSave::copy_is_over(bool failure_counts) const {
    for (const json& job : monitor_.ask("query-jobs")) {
        if (job.value("id", std::string()) != job_name) continue;
        if (failure_counts && job.contains("error"))
            throw Error("{}: copying the disk: {}", request_.domain,
                        job["error"].get<std::string>());
        return job.value("status", std::string()) == "concluded";
    }
    if (failure_counts) throw Error("{}: copying the disk ended without a word", request_.domain);
    return true;
}

// Nothing happens where there is no copy.
void DomainSave::forget_copy() noexcept {
    monitor_.try_to("job-cancel", {{"id", job_name}});
    try {
        monitor_.until("ending the disk's copy", soon, [&] { return copy_is_over(false); });
    } catch (const std::exception&) {
        // Its QEMU is gone, or libvirtd is.
    }
    monitor_.try_to("job-dismiss", {{"id", job_name}});
    monitor_.try_to("blockdev-del", {{"node-name", copy_name}});
}

void DomainSave::go_on() {
    begin_copy();
    // A disk that is being copied keeps QEMU from ending a migration for which the VM stands.
    if (method_ == SaveMethod::stopped) finish_copy();
    begun_ = true;
    monitor_.ask("migrate", {{"uri", fmt::format("fd:{}", stream_name)}});
    if (method_ == SaveMethod::background) {
        // QEMU lets the VM run by itself.
        until("taking the snapshot", soon, [&] { return is_written() || monitor_.running(); });
    } else {
        until("writing the memory", long_enough, [&] { return is_written(); });
        if (!request_.stay) monitor_.resume();
    }
}

void DomainSave::finish() {
    until("writing the memory", long_enough, [&] { return is_written(); });
    finish_copy();
    if (method_ == SaveMethod::background) monitor_.try_to("closefd", {{"fdname", reader_name}});
    over_ = true;
}

void DomainSave::abort() noexcept {
    if (over_) return;
    over_ = true;
    try {
        if (begun_) {
            end_migration();
        } else if (given_) {
            monitor_.try_to("closefd", {{"fdname", stream_name}});
        }
    } catch (const std::exception&) {
        // Its QEMU is gone, or libvirtd is: what can run on is let run on below.
    }
    if (copying_) forget_copy();
    try {
        if (stopped_) monitor_.resume();
    } catch (const std::exception&) {
        // As above; the end of a domain is told by others.
    }
    if (method_ == SaveMethod::background) monitor_.try_to("closefd", {{"fdname", reader_name}});
}

}  // namespace holon::vm
