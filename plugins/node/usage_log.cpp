// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/usage_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"
#include "plugins/rpc/rpc.h"

namespace holon::node {
namespace {

std::filesystem::path older(const std::filesystem::path& file) { return file.string() + ".1"; }

}  // namespace

void UsageLog::add(const std::vector<nlohmann::json>& records) const {
    if (records.empty()) return;
    const std::lock_guard one(adding_);
    std::error_code absent;
    if (std::filesystem::file_size(file_, absent) > limit_ && !absent)
        std::filesystem::rename(file_, older(file_), absent);
    const os::Fd file(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!file.valid()) throw Error("{}: {}", file_.string(), errno_text());
    // A line that another daemon left half written must not take the first of these along.
    std::string text = "\n";
    for (const auto& record : records)
        text += record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    if (!os::write_all(file.get(), text.data(), text.size()))
        throw Error("{}: {}", file_.string(), errno_text());
}

std::vector<nlohmann::json> UsageLog::of_job(std::uint32_t job) const {
    std::vector<nlohmann::json> found;
    for (const auto& path : {older(file_), file_}) {
        std::ifstream lines(path);
        // Parsing all of a large file would take a second; our own lines have no blanks.
        const std::string key = fmt::format("\"job\":{},", job);
        for (std::string line; std::getline(lines, line);) {
            if (line.find(key) == std::string::npos) continue;
            auto record = rpc::parse(line);
            if (record.is_object() && record.value("job", nlohmann::json()) == job)
                found.push_back(std::move(record));
        }
    }
    return found;
}

}  // namespace holon::node
