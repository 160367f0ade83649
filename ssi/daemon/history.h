// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which programs were better off at home.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>

namespace holon::ssi::daemon {

// A program: the file that is executed, as it is now, by one user. An interpreter is one program.
struct ProgramFile {
    dev_t device;
    ino_t inode;
    std::int64_t modified;  // ns
    uid_t user;
    std::string name;  // for people
    auto key() const { return std::tie(device, inode, modified, user); }
    auto operator<=>(const ProgramFile& other) const { return key() <=> other.key(); }
    bool operator==(const ProgramFile& other) const { return key() == other.key(); }
};

// Of a process; nothing where it has gone.
std::optional<ProgramFile> program_of(pid_t pid, uid_t user);

// A program that was taken home loses, at each start, the time until that is noticed. So its next
// starts stay at home: four, and twice as many each time that the start after them is taken home
// again, up to 64. A start that stays apart to a good end, or an hour without another verdict, ends
// that: data and arguments differ, and so may the verdict. Thread-safe; forgets with the daemon.
class History {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // It was taken home. How many starts stay at home now.
    unsigned worse(const ProgramFile& program, Time now);
    // It ran apart, long enough to be judged, and was not taken home.
    void better(const ProgramFile& program);
    // Whether the start that is being made stays at home.
    bool stays(const ProgramFile& program, Time now);

    static constexpr unsigned first_starts = 4, most_starts = 64;
    static constexpr std::chrono::hours memory{1};
    static constexpr std::size_t most_programs = 1024;

  private:
    struct Verdict {
        unsigned left;  // starts that stay at home
        unsigned next;  // as many after the next verdict
        Time when;
    };
    std::mutex mutex_;
    std::map<ProgramFile, Verdict> verdicts_;
};

}  // namespace holon::ssi::daemon
