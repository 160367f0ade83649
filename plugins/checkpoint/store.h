// SPDX-License-Identifier: GPL-2.0-or-later
// The folders of checkpoints: DIR/<job>/<n>/ holds one, from the moment it is whole. While it is
// written it is called <n>.part; while it is removed, <n>.gone. So a reader finds all of it or
// nothing, whenever the power goes.
//
// All functions act with the rights of the process, which is therefore the job's user's:
// holon-checkpoint (main.cpp) under holond, or `holon checkpoint`. They block, and throw
// holon::Error naming the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "plugins/checkpoint/manifest.h"

namespace holon::checkpoint {

// holon.yaml's checkpoints.dir for one user: a leading "~" is the home directory, "%u" the name.
std::filesystem::path folder_of_user(const std::string& configured, const std::string& user,
                                     const std::string& home);

// Makes DIR/<job>/<n>.part with the next number, mode 0700, and removes what earlier saves of the
// job left half done. Throws where the file system has less than NEEDED bytes and MIN_FREE more for
// this user.
struct Begun {
    std::uint32_t number = 0;
    std::filesystem::path folder;
};
Begun begin(const std::filesystem::path& dir, std::uint32_t job, std::uint64_t needed,
            std::uint64_t min_free);

// Removes what unfinished saves of the job, and unfinished removals, left. Not while one goes on.
void sweep(const std::filesystem::path& dir, std::uint32_t job);

// All parts of MANIFEST are in FOLDER (that begin() made), and fsynced: writes the manifest and
// gives the folder its final name. Returns that.
std::filesystem::path commit(const std::filesystem::path& folder, const Manifest& manifest);
// Removes a folder that begin() made. Not an error if it is gone.
void abandon(const std::filesystem::path& folder);

struct Entry {
    std::uint32_t number = 0;
    std::filesystem::path folder;
    std::optional<Manifest> manifest;  // none: it cannot be restored, and
    std::string fault;                 // this is why
};
// Those of one job, oldest first. Parts are not read.
std::vector<Entry> list(const std::filesystem::path& dir, std::uint32_t job);
// The jobs that have any, in order. None where DIR does not exist.
std::vector<std::uint32_t> jobs(const std::filesystem::path& dir);

Manifest read_manifest(const std::filesystem::path& folder);
// Reads all parts; throws at the first one that is not what the manifest says.
Manifest verify(const std::filesystem::path& folder);
// The newest one that verify() likes, and what is wrong with each newer one. Throws where there is
// none.
struct Newest {
    Entry good;
    std::vector<std::string> refused;
};
Newest newest_good(const std::filesystem::path& dir, std::uint32_t job);

// Removes all but the KEEP newest whose manifest can be read; broken ones that are newer than the
// oldest of these stay to be looked at. Returns the numbers that went.
std::vector<std::uint32_t> prune(const std::filesystem::path& dir, std::uint32_t job,
                                 std::uint32_t keep);
// NUMBER 0: all of the job.
void remove(const std::filesystem::path& dir, std::uint32_t job, std::uint32_t number);

}  // namespace holon::checkpoint
