// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::os {

std::optional<std::string> read_file_if_exists(const std::filesystem::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) {
        if (errno == ENOENT) return std::nullopt;
        throw Error("{}: {}", path.string(), errno_text());
    }
    std::string content;
    char chunk[16384];
    for (;;) {
        ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error("{}: {}", path.string(), errno_text());
        if (n == 0) return content;
        content.append(chunk, static_cast<size_t>(n));
    }
}

std::string read_file(const std::filesystem::path& path) {
    auto content = read_file_if_exists(path);
    if (!content) throw Error("{}: {}", path.string(), errno_text(ENOENT));
    return *std::move(content);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           mode_t mode) {
    std::string temporary = path.string() + ".tmp";
    Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!fd.valid()) throw Error("{}: {}", temporary, errno_text());
    if (::fchmod(fd.get(), mode) != 0 || !write_all(fd.get(), content.data(), content.size()) ||
        ::fsync(fd.get()) != 0)
        throw Error("{}: {}", temporary, errno_text());
    fd.reset();
    if (::rename(temporary.c_str(), path.c_str()) != 0)
        throw Error("{}: {}", path.string(), errno_text());
    Fd directory(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.valid()) ::fsync(directory.get());
}

void remove_tree(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error && error != std::errc::no_such_file_or_directory)
        throw Error("{}: {}", path.string(), error.message());
}

bool write_all(int fd, const void* data, size_t size) {
    const char* next = static_cast<const char*>(data);
    while (size > 0) {
        ssize_t n = ::write(fd, next, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
        if (n < 0) throw Error("write: {}", errno_text());
        next += n;
        size -= static_cast<size_t>(n);
    }
    return true;
}

}  // namespace holon::os
