// SPDX-License-Identifier: GPL-2.0-or-later
// A batch script that goes on from a checkpoint: its session is in the restored VM already, and its
// output files may hold more than was written when the checkpoint was made. They are cut back to
// what they were then; from there on the session's output is written again. So a file holds every
// byte once, however often the job is taken up, and without the lines that Slurm itself wrote
// between.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace holon::run {

struct SavedOutput {
    std::uint64_t offset = 0;  // of the stream, at the checkpoint
    // The regular file it went to, and its length then; without one it is gone on with at its end.
    struct File {
        std::uint64_t device = 0, inode = 0, length = 0;
    };
    std::optional<File> file;
};

struct Continuation {
    std::uint64_t session = 0;
    SavedOutput out, err;
};

// Of holond's answer to `session` (docs/rpc.md, "resume"); nullopt where the program is to be
// started. Throws holon::Error where it is malformed.
std::optional<Continuation> continuation_of(const nlohmann::json& granted);

// Cuts the file open at FD back to what SAVED says. Returns what the user is to know, in one line:
// empty where it was cut back; else why not, and nothing was done, except that another file is
// emptied where TRUNCATE says so.
std::string cut_back(int fd, const SavedOutput& saved, bool truncate);
// Empties the regular file open at FD; nothing happens to anything else.
void cut_off(int fd);

}  // namespace holon::run
