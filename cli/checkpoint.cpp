// SPDX-License-Identifier: GPL-2.0-or-later
// holon checkpoint: saves a running job, and looks after what was saved. Saving is the job's first
// node's; the files are the asker's, and are looked at with the asker's own rights.
#include "plugins/checkpoint/store.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iostream>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
namespace po = boost::program_options;
namespace store = holon::checkpoint;

std::uint32_t whole(const std::string& text, const char* what) {
    std::uint32_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || stop != text.data() + text.size() || number == 0)
        throw Error("'{}' is not the number of a {}", text, what);
    return number;
}

fs::path folder(const std::string& given) {
    if (!given.empty()) return fs::absolute(given);
    const auto who = os::identity_of(::getuid());
    return store::folder_of_user(config::load_default().checkpoints.dir, who.name, who.home);
}

std::string time_text(std::int64_t time) {
    const std::time_t seconds = time;
    std::tm parts{};
    ::localtime_r(&seconds, &parts);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}", parts);
}

json summary(std::uint32_t job, const store::Entry& entry) {
    json one = {{"job", job},
                {"number", entry.number},
                {"folder", entry.folder.string()},
                {"fault", entry.fault}};
    if (!entry.manifest) return one;
    const store::Manifest& manifest = *entry.manifest;
    one.update({{"time", manifest.time},
                {"bytes", manifest.bytes()},
                {"vms", manifest.vms.size()},
                {"image", manifest.image},
                {"method", store::to_string(manifest.method)},
                {"pause_ms", static_cast<double>(manifest.pause_us) / 1000}});
    return one;
}

int list(const fs::path& dir, const std::vector<std::string>& operands, bool as_json) {
    std::vector<std::uint32_t> jobs;
    if (operands.empty())
        jobs = store::jobs(dir);
    else
        jobs.push_back(whole(operands[0], "job"));
    json all = json::array();
    std::vector<std::vector<std::string>> rows;
    std::string faults;
    for (const std::uint32_t job : jobs)
        for (const store::Entry& entry : store::list(dir, job)) {
            all.push_back(summary(job, entry));
            if (!entry.manifest) {
                faults += printable(entry.fault) + "\n";
                rows.push_back({std::to_string(job), std::to_string(entry.number), "-", "-", "-",
                                "-", "unusable"});
                continue;
            }
            const store::Manifest& manifest = *entry.manifest;
            rows.push_back({std::to_string(job), std::to_string(entry.number),
                            time_text(manifest.time), std::to_string(manifest.vms.size()),
                            bytes_text(manifest.bytes()), printable(manifest.image), "whole"});
        }
    if (as_json)
        std::cout << all.dump() << '\n';
    else if (rows.empty())
        std::cout << "no checkpoints in " << dir.string() << '\n';
    else
        std::cout << table({">JOB", ">NR", "TAKEN", ">VMS", ">SIZE", "IMAGE", "STATE"}, rows)
                  << faults;
    return exit_good;
}

// The one that the operands JOB [NR] name; without NR the newest.
store::Entry chosen(const fs::path& dir, const std::vector<std::string>& operands) {
    const std::uint32_t job = whole(operands[0], "job");
    auto entries = store::list(dir, job);
    if (operands.size() > 1) {
        const std::uint32_t number = whole(operands[1], "checkpoint");
        std::erase_if(entries, [&](const auto& entry) { return entry.number != number; });
    }
    if (entries.empty())
        throw Error("{}: no such checkpoint; see holon checkpoint list",
                    (dir / operands[0] / (operands.size() > 1 ? operands[1] : "")).string());
    return entries.back();
}

int show(const fs::path& dir, const std::vector<std::string>& operands, bool as_json) {
    const store::Entry entry = chosen(dir, operands);
    if (!entry.manifest) throw Error("{}", entry.fault);
    const store::Manifest& manifest = *entry.manifest;
    if (as_json) {
        // The seed is what the job's SSH keys are made of.
        json shown = json::parse(store::to_json(manifest));
        shown["spec"].erase("seed");
        std::cout << shown.dump() << '\n';
        return exit_good;
    }
    fmt::print("{}\njob {}, run {}, of {}; taken {} by Holon {}\n", entry.folder.string(),
               manifest.plan.job.id, manifest.plan.job.restart, printable(manifest.user),
               time_text(manifest.time), manifest.holon);
    fmt::print("image {}; {} in all; the VMs stood for {:.0f} ms\n\n", printable(manifest.image),
               bytes_text(manifest.bytes()), static_cast<double>(manifest.pause_us) / 1000);
    std::vector<std::vector<std::string>> rows;
    for (const auto& vm : manifest.vms)
        rows.push_back({vm.vm.name, printable(vm.vm.node), std::to_string(vm.vm.cpus),
                        memory_text(vm.vm.memory_mb), bytes_text(vm.memory.bytes),
                        vm.disk ? bytes_text(vm.disk->bytes) : "-", vm.hardware.machine,
                        vm.hardware.kvm ? "kvm" : "tcg"});
    std::cout << table(
        {"VM", "NODE", ">VCPUS", ">MEM", ">MEMORY FILE", ">DISK FILE", "MACHINE", "BY"}, rows);
    for (const auto& session : manifest.sessions)
        for (const auto& stream : session.streams)
            fmt::print("step {} in vm{}, std{}: {}\n", session.step, session.vm, stream.name,
                       stream.file ? fmt::format("its file had {} bytes", stream.file->length)
                                   : "not continued byte for byte: " + printable(stream.excluded));
    return exit_good;
}

int verify(const fs::path& dir, const std::vector<std::string>& operands) {
    const store::Entry entry = chosen(dir, operands);
    const store::Manifest manifest = store::verify(entry.folder);
    fmt::print("{}: whole ({} of {} VMs)\n", entry.folder.string(), bytes_text(manifest.bytes()),
               manifest.vms.size());
    return exit_good;
}

int rm(const fs::path& dir, const std::vector<std::string>& operands, bool all) {
    if (all == (operands.size() > 1))
        throw Error("give the number of a checkpoint, or --all: holon checkpoint rm JOB NR|--all");
    store::remove(dir, whole(operands[0], "job"), all ? 0 : whole(operands[1], "checkpoint"));
    return exit_good;
}

int save(const std::string& job, bool wait, bool as_json) {
    const auto config = config::load_default();
    const auto jobs = running_jobs(job);
    if (jobs.empty() || jobs.front().nodes.empty()) throw Error("job {} is not running", job);
    const std::string head = jobs.front().nodes.front();
    auto client =
        head == host_name() ? rpc::Client::local() : rpc::Client::remote(head, config.rpc.port);
    const json request{{"op", "checkpoint"}, {"job", jobs.front().id}, {"wait", wait}};
    ProgressLine progress(as_json                        ? ProgressLine::Form::json
                          : ::isatty(STDERR_FILENO) != 0 ? ProgressLine::Form::terminal
                                                         : ProgressLine::Form::lines);
    constexpr rpc::Timeout patience{180'000};  // holond says something more often than that
    json event = client.call(request, patience);
    while (wait && event.value("event", "") == "saving") {
        progress.show(event);
        event = client.next(patience);
    }
    progress.end();
    if (as_json) std::cout << event.dump() << '\n';
    if (event.value("event", "") == "failed")
        throw Error("job {}: {}; the job runs on, earlier checkpoints are as they were", job,
                    printable(event.value("reason", "")));
    if (as_json) return exit_good;
    if (!wait) {
        fmt::print("job {}: checkpoint {} has begun; see holon checkpoint list\n", job,
                   event.value("number", 0u));
        return exit_good;
    }
    fmt::print("job {}: checkpoint {}: {} in {:.1f} s; the VMs stood for {:.0f} ms\n", job,
               event.value("number", 0u), bytes_text(event.value("bytes", std::uint64_t{0})),
               event.value("seconds", 0.0), event.value("pause_ms", 0.0));
    return exit_good;
}

}  // namespace

int checkpoint(const Arguments& arguments) {
    bool wait = false, as_json = false, all = false;
    std::string dir;
    std::vector<std::string> operands;
    CommandLine line(
        "checkpoint JOB | list [JOB] | show JOB [NR] | verify JOB [NR] | rm JOB NR|--all",
        "Saves the VMs of a running job as one consistent set. They stand while their memory is "
        "written, then the\njob runs on. The other forms look after your checkpoints: list, show, "
        "verify (reads all of one and compares\nchecksums) and rm. NR is the checkpoint's number; "
        "without it, the newest.");
    line.options().add_options()("wait,w", po::bool_switch(&wait),
                                 "until it is committed, with its progress")(
        "dir", po::value(&dir)->value_name("DIR"),
        "where the checkpoints are, if not where the site has them")(
        "all", po::bool_switch(&all), "with rm: every checkpoint of the job")(
        "json", po::bool_switch(&as_json), "for programs; with --wait, a line for each event");
    line.operands(operands, 1, 3);
    if (const auto end = line.parse(arguments)) return *end;
    const std::string verb = operands.front();
    if (std::isdigit(static_cast<unsigned char>(verb[0])) != 0) {
        if (operands.size() > 1) throw Error("one job at a time");
        return save(verb, wait, as_json);
    }
    operands.erase(operands.begin());
    if (verb == "list" && operands.size() < 2) return list(folder(dir), operands, as_json);
    if (operands.empty()) throw Error("which job? holon checkpoint {} JOB", verb);
    if (verb == "show") return show(folder(dir), operands, as_json);
    if (verb == "verify") return verify(folder(dir), operands);
    if (verb == "rm") return rm(folder(dir), operands, all);
    throw Error("'{}' is neither a job nor list, show, verify or rm", verb);
}

}  // namespace holon::cli
