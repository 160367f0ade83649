// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <unistd.h>

#include "plugins/image/image.h"
#include "plugins/os/error.h"

namespace holon::image {

void create_overlay(const Image& image, const std::filesystem::path& overlay,
                    const os::Identity& who) {
    if (image.disk.empty()) return;
    os::RunOptions options;
    // qemu-img reads the base image, which may be a user's: it has the user's rights and no others.
    if (::geteuid() == 0) options.as = who;
    try {
        // Made beforehand so that nobody else can read it: qemu-img would leave that to the umask.
        os::open_as(who, overlay, O_RDWR | O_CREAT, 0600);
        os::run_checked({"qemu-img", "create", "-q", "-f", "qcow2", "-F", image.disk_format, "-b",
                         image.disk.string(), overlay.string()},
                        options);
    } catch (const Error& error) {
        throw Error("image '{}': overlay {}: {}", image.name, overlay.string(), error.what());
    }
}

}  // namespace holon::image
