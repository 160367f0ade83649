// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"

namespace holon::run {

Output::~Output() {
    if (flags_) ::fcntl(fd_, F_SETFL, *flags_);
}

void Output::stop_blocking() {
    struct stat s {};
    if (flags_ || ::fstat(fd_, &s) != 0 || S_ISREG(s.st_mode)) return;
    int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK) != 0) return;
    if (::fcntl(fd_, F_SETFL, flags | O_NONBLOCK) == 0) flags_ = flags;
}

std::size_t Output::write(std::string_view bytes) {
    if (gone_) return bytes.size();
    for (;;) {
        ssize_t n = ::write(fd_, bytes.data(), bytes.size());
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return 0;
        if (errno == EPIPE || errno == ECONNRESET || errno == EIO || errno == EBADF) {
            gone_ = true;
            return bytes.size();
        }
        throw Error("{}: {}", fd_ == 1 ? "standard output" : "standard error", errno_text());
    }
}

void Output::line(const std::string& text, bool raw_terminal) noexcept {
    try {
        std::string whole = "holon: " + text + (raw_terminal ? "\r\n" : "\n");
        std::string_view left = whole;
        while (!left.empty()) {
            std::size_t n = write(left);
            left.remove_prefix(n);
            if (n != 0) continue;
            pollfd entry{fd_, POLLOUT, 0};
            if (::poll(&entry, 1, 1000) == 0) return;
        }
    } catch (const std::exception&) {
        // there is nowhere else to say it
    }
}

nlohmann::json Output::mark(const char* name, std::uint64_t offset) const {
    nlohmann::json mark = {{"name", name}, {"offset", offset}, {"file", nullptr}, {"excluded", ""}};
    struct stat s {};
    if (gone_ || ::fstat(fd_, &s) != 0)
        mark["excluded"] = "its reader has gone";
    else if (S_ISREG(s.st_mode))
        mark["file"] = {{"device", s.st_dev}, {"inode", s.st_ino}, {"length", s.st_size}};
    else
        mark["excluded"] = ::isatty(fd_) == 1 ? "a terminal" : "a pipe";
    return mark;
}

}  // namespace holon::run
