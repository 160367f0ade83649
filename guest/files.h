// SPDX-License-Identifier: GPL-2.0-or-later
// Files under the VM's root. All paths given are absolute inside it; ROOT is "" in the VM, a folder
// in tests. Functions throw std::system_error naming the path.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace holon::guest {

std::string read_file_or_empty(const std::string& path);
bool exists(const std::string& path);

// Makes the folder and its parents, 0755 and root's.
void make_folders(const std::string& path);

// Replaces PATH at once (also where it was a symbolic link), parents made.
void write_file(const std::string& path, std::string_view content, mode_t mode, uid_t uid = 0,
                gid_t gid = 0);

}  // namespace holon::guest
