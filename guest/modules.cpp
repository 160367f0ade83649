// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/modules.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "guest/files.h"
#include "guest/log.h"
#include "plugins/os/fd.h"

namespace holon::guest {
namespace {

// MODULE_INIT_COMPRESSED_FILE of <linux/module.h>, Linux 5.17: the kernel unpacks .xz and .zst
// itself.
constexpr int compressed_file = 4;

void load(const std::string& path) {
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const int flags = path.ends_with(".ko") ? 0 : compressed_file;
    if (file.valid() &&
        (::syscall(SYS_finit_module, file.get(), "", flags) == 0 || errno == EEXIST))
        return;
    log("module " + path + ": " + std::strerror(errno));
}

}  // namespace

void load_modules(const std::string& list) {
    const auto text = read_file_or_empty(list);
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\n', start), text.size());
        const auto path = text.substr(start, end - start);
        if (!path.empty()) load(path.starts_with('/') ? path : "/" + path);
        start = end + 1;
    }
}

}  // namespace holon::guest
