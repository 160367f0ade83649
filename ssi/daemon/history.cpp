// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/history.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "ssi/daemon/messages.h"

namespace holon::ssi::daemon {

std::optional<ProgramFile> program_of(pid_t pid, uid_t user) {
    const std::string path = "/proc/" + std::to_string(pid) + "/exe";
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    std::error_code error;
    const auto name = std::filesystem::read_symlink(path, error).filename().string();
    return ProgramFile{status.st_dev, status.st_ino,
                       std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec,
                       user, printable(name)};
}

unsigned History::worse(const ProgramFile& program, Time now) {
    const std::lock_guard lock(mutex_);
    if (verdicts_.size() >= most_programs && !verdicts_.contains(program))
        verdicts_.erase(std::min_element(
            verdicts_.begin(), verdicts_.end(),
            [](const auto& a, const auto& b) { return a.second.when < b.second.when; }));
    Verdict& verdict = verdicts_.try_emplace(program, Verdict{0, first_starts, now}).first->second;
    verdict.left = verdict.next;
    verdict.next = std::min(2 * verdict.next, most_starts);
    verdict.when = now;
    return verdict.left;
}

void History::better(const ProgramFile& program) {
    const std::lock_guard lock(mutex_);
    verdicts_.erase(program);
}

bool History::stays(const ProgramFile& program, Time now) {
    const std::lock_guard lock(mutex_);
    const auto found = verdicts_.find(program);
    if (found == verdicts_.end()) return false;
    if (now - found->second.when >= memory) {
        verdicts_.erase(found);
        return false;
    }
    if (found->second.left == 0) return false;
    --found->second.left;
    return true;
}

}  // namespace holon::ssi::daemon
