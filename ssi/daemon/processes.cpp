// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/processes.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "ssi/inject/process.h"

namespace holon::ssi::daemon {
namespace {

struct Seen {
    pid_t pid;
    uid_t uid;
};

std::optional<pid_t> number_of(const std::string& name) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return pid;
}

std::vector<Seen> processes_of(uid_t asking) {
    std::vector<Seen> seen;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const auto pid = number_of(entry.path().filename().string());
        struct stat status {};
        if (!pid || ::stat(entry.path().c_str(), &status) != 0) continue;
        if (asking == 0 || asking == status.st_uid) seen.push_back({*pid, status.st_uid});
    }
    std::sort(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) { return a.pid < b.pid; });
    return seen;
}

std::string line_of(pid_t pid, const char* file, const std::string& before) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
    std::string line;
    while (std::getline(in, line))
        if (line.starts_with(before)) return line.substr(before.size());
    return {};
}

// A body process has the runtime in it, being it. It is found here where two nodes share a machine.
bool is_body(pid_t pid, const std::filesystem::path& runtime) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error) == runtime;
}

nlohmann::json entry_of(const Seen& process) {
    // A name may be any bytes; JSON is UTF-8.
    const std::string threads = line_of(process.pid, "status", "Threads:\t");
    return {{"pid", process.pid},
            {"uid", process.uid},
            {"program", printable(line_of(process.pid, "comm", ""))},
            {"threads", threads.empty() ? 0 : std::atoi(threads.c_str())}};
}

}  // namespace

std::string processes_as_json(uid_t asking, const std::filesystem::path& runtime,
                              const std::vector<ControlServer::Program>& programs,
                              const std::map<pid_t, inject::Pinned>& pinned) {
    nlohmann::json list = nlohmann::json::array();
    for (const Seen& process : processes_of(asking)) {
        const auto without = pinned.find(process.pid);
        const bool inside = inject::has_runtime(process.pid) && !is_body(process.pid, runtime);
        if (!inside && without == pinned.end()) continue;
        nlohmann::json entry = entry_of(process);
        entry["away"] = 0;
        entry["pinned"] = inside ? "" : without->second.reason;
        for (const auto& program : programs) {
            if (program.pid != process.pid) continue;
            entry["away"] = program.away;
            entry["pinned"] = program.pinned;
        }
        list.push_back(std::move(entry));
    }
    return list.dump();
}

std::string bodies_as_json(uid_t asking, const std::vector<Bodies::Info>& bodies) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& body : bodies) {
        if (asking != 0 && asking != body.uid) continue;
        nlohmann::json entry = entry_of({body.pid, body.uid});
        entry["away"] = 0;
        entry["pinned"] = "";
        list.push_back(std::move(entry));
    }
    return list.dump();
}

}  // namespace holon::ssi::daemon
