// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/doctor/leaks.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/doctor/check.h"
#include "cli/table.h"
#include "paths.h"
#include "plugins/network/network.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {

namespace fs = std::filesystem;

namespace {

// Interface names hold the last four digits of the restart count at most (network.h).
constexpr std::uint32_t restart_modulus = 10000;

// Takes digits off the front of TEXT.
std::optional<std::uint32_t> take_number(std::string_view& text) {
    std::uint32_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return value;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

void add(std::set<Trace>& traces, std::optional<Trace> trace) {
    if (trace) traces.insert(std::move(*trace));
}

// Names of active domains, one a line. A domain is nothing without its QEMU process, so where
// libvirt does not answer the search for processes finds what there is.
std::string domain_names(const Site& site) {
    return in_child(
        [&] {
            virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
            const virConnectPtr connection =
                virConnectOpenReadOnly(site.config.vm.libvirt_uri.c_str());
            if (connection == nullptr) throw Error("{}: no answer", site.config.vm.libvirt_uri);
            virDomainPtr* domains = nullptr;
            const int count = virConnectListAllDomains(connection, &domains, 0);
            if (count < 0) throw Error("{}: no list of domains", site.config.vm.libvirt_uri);
            std::string names;
            for (int i = 0; i < count; ++i)
                names += std::string(virDomainGetName(domains[i])) + '\n';
            return names;
        },
        std::chrono::seconds(15));
}

void add_folders(std::set<Trace>& traces, const fs::path& folder) {
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        if (auto trace = trace_of("folder", at->path().filename().string())) {
            trace->name = at->path().string();
            traces.insert(std::move(*trace));
        }
    if (error && error != std::errc::no_such_file_or_directory)
        throw Error("{}: {}", folder.string(), error.message());
}

Runs live_runs() {
    Runs runs;
    const auto reply = rpc::Client::local().call({{"op", "jobs"}});
    for (const auto& entry : reply.at("jobs"))
        runs.insert(
            {entry.at("job").get<std::uint32_t>(), entry.at("restart").get<std::uint32_t>()});
    return runs;
}

}  // namespace

std::optional<Trace> trace_of(std::string kind, std::string_view name) {
    Trace trace{std::move(kind), std::string(name), 0, std::nullopt};
    std::string_view rest = name;
    bool tap = false, domain = false;
    if (take(rest, "nft ")) {
        rest = rest.substr(std::min(rest.find(' '), rest.size() - 1) + 1);  // the family
        if (!take(rest, "holon-")) return std::nullopt;
    } else if (take(rest, "holon-")) {
        domain = true;
    } else if (take(rest, "ht")) {
        tap = true;
    } else if (!take(rest, "hb")) {
        take(rest, "hx");
    }
    const auto job = take_number(rest);
    if (!job) return std::nullopt;
    trace.job = *job;
    if (rest.empty()) return trace;
    if (!take(rest, ".")) return std::nullopt;
    const auto second = take_number(rest);
    if (!second) return std::nullopt;
    if (!tap) trace.restart = second;
    if (domain ? !rest.starts_with("-vm") : !rest.empty()) return std::nullopt;
    return trace;
}

std::set<Trace> cgroup_traces(const fs::path& root) {
    std::set<Trace> traces;
    std::error_code error;
    fs::recursive_directory_iterator at(root, fs::directory_options::skip_permission_denied, error),
        end;
    // Job directories come and go while we walk: an entry that is gone is no error.
    for (; !error && at != end; at.increment(error)) {
        std::error_code ignored;
        if (at->is_symlink(ignored) || !at->is_directory(ignored)) {
            at.disable_recursion_pending();
            continue;
        }
        std::string_view parent = at->path().parent_path().filename().native();
        const std::string owner(parent);
        std::string_view rest = owner;
        if (at->path().filename() != "holon" || !take(rest, "job_")) continue;
        if (const auto job = take_number(rest); job && rest.empty())
            traces.insert({"cgroup", at->path().string(), *job, std::nullopt});
    }
    return traces;
}

std::set<Trace> process_traces(const fs::path& proc) {
    std::set<Trace> traces;
    std::error_code error;
    for (fs::directory_iterator at(proc, error), end; !error && at != end; at.increment(error)) {
        const std::string pid = at->path().filename().string();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        std::string command;
        try {
            command = os::read_file(at->path() / "cmdline");
        } catch (const Error&) {
            continue;  // it has ended
        }
        // libvirt names the domain on QEMU's command line: -name
        // guest=holon-42.0-vm0,debug-threads=on
        const std::size_t start = command.find(std::string("\0guest=holon-", 13));
        if (start == std::string::npos) continue;
        const std::string name = command.substr(
            start + 7, command.find_first_of(std::string("\0,", 2), start + 7) - start - 7);
        if (auto trace = trace_of("process", name)) {
            trace->name = fmt::format("{} (QEMU of {})", pid, name);
            traces.insert(std::move(*trace));
        }
    }
    return traces;
}

Traces gather(const Site& site) {
    Traces traces;
    const auto look = [&](const char* what, const auto& looking) {
        try {
            looking();
        } catch (const std::exception& error) {
            traces.not_checked.push_back(fmt::format("{}: {}", what, error.what()));
        }
    };
    try {
        for (const std::string& name : split_list(domain_names(site), '\n'))
            add(traces.found, trace_of("domain", name));
    } catch (const std::exception&) {
        // see domain_names
    }
    look("processes", [&] { traces.found.merge(process_traces("/proc")); });
    look("interfaces and filters", [&] {
        for (const auto& one : network::interfaces()) {
            auto trace =
                trace_of(one.interface.starts_with("nft ") ? "filter" : "interface", one.interface);
            add(traces.found,
                trace ? std::move(trace)
                      : std::optional(Trace{"interface", one.interface, one.job, std::nullopt}));
        }
    });
    look("folders", [&] {
        add_folders(traces.found, site.config.state_dir);
        add_folders(traces.found, fs::path(paths::run_dir) / "jobs");
    });
    look("cgroups", [&] { traces.found.merge(cgroup_traces("/sys/fs/cgroup")); });
    return traces;
}

std::set<Trace> leftovers(const std::set<Trace>& found, const Runs& live) {
    std::set<Trace> left;
    for (const Trace& trace : found) {
        const bool lives = std::any_of(live.begin(), live.end(), [&](const auto& run) {
            return run.first == trace.job &&
                   (!trace.restart ||
                    run.second % restart_modulus == *trace.restart % restart_modulus);
        });
        if (!lives) left.insert(trace);
    }
    return left;
}

int report_leaks(const Site& site, bool expect_none, bool as_json) {
    if (!site.root) throw Error("only root sees what jobs leave; run it as root");
    if (!site.config_error.empty()) throw Error("{}", site.config_error);

    Runs live;
    std::string silent;
    const auto ask_live = [&] {
        if (expect_none || !silent.empty()) return;
        try {
            live.merge(live_runs());
        } catch (const std::exception& error) {
            silent = error.what();
        }
    };
    // A job may start or end between one look and the next: what counts is what no answer of holond
    // owned and what was there twice.
    ask_live();
    Traces traces = gather(site);
    ask_live();
    std::set<Trace> left = leftovers(traces.found, live);
    if (!left.empty()) {
        const std::set<Trace> again = gather(site).found;
        ask_live();
        std::set<Trace> still;
        std::set_intersection(left.begin(), left.end(), again.begin(), again.end(),
                              std::inserter(still, still.end()));
        left = leftovers(still, live);
    }

    if (as_json) {
        using nlohmann::json;
        json leaks = json::array(), runs = json::array();
        for (const Trace& trace : left)
            leaks.push_back({{"kind", trace.kind}, {"name", trace.name}, {"job", trace.job}});
        for (const auto& [job, restart] : live)
            runs.push_back({{"job", job}, {"restart", restart}});
        std::cout << json{{"leaks", leaks},
                          {"live", runs},
                          {"not_checked", traces.not_checked},
                          {"holond", silent}}
                         .dump(2, ' ', false, json::error_handler_t::replace)
                  << '\n';
    } else {
        std::vector<std::vector<std::string>> rows;
        for (const Trace& trace : left)
            rows.push_back({trace.kind, std::to_string(trace.job), printable(trace.name)});
        if (!rows.empty())
            std::cout << table({"LEFT", ">JOB", "NAME"}, rows);
        else if (traces.not_checked.empty())
            std::cout << fmt::format("nothing is left of ended jobs ({} live job run{})\n",
                                     live.size(), live.size() == 1 ? "" : "s");
    }
    std::cout.flush();
    if (!silent.empty() && !left.empty())
        std::cerr << "holon doctor: " << silent
                  << "; so all that is there counts, of running jobs too\n";
    for (const std::string& what : traces.not_checked)
        std::cerr << "holon doctor: not checked: " << what << '\n';
    return left.empty() && traces.not_checked.empty() ? exit_good : exit_failed;
}

}  // namespace holon::cli
