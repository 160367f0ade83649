// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/vm/save.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>

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

constexpr auto soon = 30s;        // what QEMU does by itself, on a loaded host
constexpr auto long_enough = 1h;  // what depends on disks; the caller watches the progress
constexpr std::uint64_t unlimited = 1ull << 50;  // bytes per second

}  // namespace

DomainSave::DomainSave(Connection& connection, SaveRequest request, pid_t qemu)
    : monitor_(connection, request.domain), request_(std::move(request)), qemu_(qemu) {}

DomainSave::~DomainSave() { abort(); }

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

void DomainSave::forget_leftovers() noexcept {
    monitor_.try_to("migrate_cancel");
    try {
        monitor_.until("ending an earlier save", soon, [&] { return is_over(); });
    } catch (const std::exception&) {
        // What depends on it says so.
    }
    monitor_.try_to("closefd", {{"fdname", stream_name}});
    forget_copy();
}

void DomainSave::prepare(int stream) {
    forget_leftovers();
    monitor_.give(stream_name, stream);
    given_ = true;
    monitor_.ask("migrate-set-parameters", {{"max-bandwidth", unlimited}});
}

void DomainSave::stop() {
    stopped_ = true;
    monitor_.suspend();
}

void DomainSave::copy_disk() {
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
    copy_disk();  // first: a disk that is being copied keeps QEMU from ending a migration
    begun_ = true;
    monitor_.ask("migrate", {{"uri", fmt::format("fd:{}", stream_name)}});
    until("writing the memory", long_enough, [&] { return is_written(); });
    monitor_.resume();
    over_ = true;
}

void DomainSave::abort() noexcept {
    if (over_) return;
    over_ = true;
    try {
        if (begun_) {
            monitor_.try_to("migrate_cancel");
            monitor_.until("ending the save", soon, [&] { return is_over(); });
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
}

}  // namespace holon::vm
