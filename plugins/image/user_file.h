// SPDX-License-Identifier: GPL-2.0-or-later
// A disk file that is not the site's: looked into with the rights of the user who named it, and
// with nobody else's.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "plugins/image/disk_probe.h"
#include "plugins/os/process.h"

namespace holon::image {

struct DiskFile {
    std::string format;  // "qcow2" | "raw"
    Root root;
    struct stat facts {};
};

// Throws holon::Error naming the file: the user's own errno, or why it cannot be booted. PATH is
// absolute.
DiskFile probe_file(const std::filesystem::path& path, const os::Identity& who);

}  // namespace holon::image
