// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "plugins/os/fd.h"

namespace holon::guest {
namespace {

[[noreturn]] void fail(const std::string& path) {
    throw std::system_error(errno, std::generic_category(), path);
}

}  // namespace

std::string read_file_or_empty(const std::string& path) {
    std::string content;
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto size = file.valid() ? ::read(file.get(), buffer.data(), buffer.size()) : 0;
        if (size <= 0) return content;
        content.append(buffer.data(), static_cast<std::size_t>(size));
    }
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void make_folders(const std::string& path) {
    for (std::size_t end = 0; end != std::string::npos;) {
        end = path.find('/', end + 1);
        const auto part = path.substr(0, end);
        if (::mkdir(part.c_str(), 0755) < 0 && errno != EEXIST) fail(part);
    }
}

void write_file(const std::string& path, std::string_view content, mode_t mode, uid_t uid,
                gid_t gid) {
    const auto slash = path.rfind('/');
    if (slash != std::string::npos && slash > 0) make_folders(path.substr(0, slash));
    const auto temporary = path + ".holon";
    ::unlink(temporary.c_str());
    {
        const os::Fd file(
            ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file.valid()) fail(path);
        while (!content.empty()) {
            const auto size = ::write(file.get(), content.data(), content.size());
            if (size < 0 && errno == EINTR) continue;
            if (size < 0) fail(path);
            content.remove_prefix(static_cast<std::size_t>(size));
        }
        if (::geteuid() == 0 && ::fchown(file.get(), uid, gid) < 0) fail(path);
        if (::fchmod(file.get(), mode) < 0) fail(path);
    }
    if (::rename(temporary.c_str(), path.c_str()) < 0) fail(path);
}

}  // namespace holon::guest
