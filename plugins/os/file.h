// SPDX-License-Identifier: GPL-2.0-or-later
// Files as the daemon and the tools need them: whole-file reads, writes that survive a crash,
// removal of trees that are already half gone. All functions throw holon::Error naming the path.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace holon::os {

std::string read_file(const std::filesystem::path& path);
// nullopt where the file does not exist; other errors are thrown.
std::optional<std::string> read_file_if_exists(const std::filesystem::path& path);

// Writes PATH.tmp, fsyncs it, renames it over PATH and fsyncs the directory: a reader, and a
// reboot, sees the old content or the new, never a part.
void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           mode_t mode);

// Removes a tree without following symbolic links; it is not an error if it (or a part) is already
// gone.
void remove_tree(const std::filesystem::path& path);

// All of DATA, restarting after EINTR and short writes. Returns false on EPIPE/ECONNRESET, throws
// otherwise.
bool write_all(int fd, const void* data, size_t size);

}  // namespace holon::os
