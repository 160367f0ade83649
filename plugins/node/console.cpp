// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/console.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::node {

os::Fd connect_unix(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path)
        throw Error("{}: path too long for a socket", path.string());
    std::memcpy(address.sun_path, path.c_str(), path.native().size() + 1);
    os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid() ||
        ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw Error("{}: {}", path.string(), errno_text());
    ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
    return socket;
}

Console::Console(asio::io_context& io, std::filesystem::path socket, std::filesystem::path log)
    : io_(io), socket_path_(std::move(socket)), log_path_(std::move(log)), socket_(io), grew_(io) {
    // A daemon that was restarted shows what its predecessor had read.
    if (auto earlier = os::read_file_if_exists(log_path_)) append(*earlier);
    log_.reset(::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    socket_.assign(connect_unix(socket_path_).release());
}

void Console::append(std::string_view bytes) {
    text_ += bytes;
    end_ += bytes.size();
    if (text_.size() > kept) text_.erase(0, text_.size() - kept);
    if (log_.valid()) {
        os::write_all(log_.get(), bytes.data(), bytes.size());
        logged_ += bytes.size();
        if (logged_ > 4 * kept && ::ftruncate(log_.get(), 0) == 0) {
            os::write_all(log_.get(), text_.data(), text_.size());
            logged_ = text_.size();
        }
    }
    grew_.notify_all();
}

Task<void> Console::run() {
    char chunk[8192];
    for (;;) {
        boost::system::error_code error;
        size_t got = co_await socket_.async_read_some(
            asio::buffer(chunk), asio::redirect_error(asio::use_awaitable, error));
        if (error) break;
        try {
            append({chunk, got});
        } catch (const Error&) {
            log_.reset();  // a full disk: the console goes on in memory
        }
    }
    closed_ = true;
    grew_.notify_all();
}

void Console::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

std::string Console::since(std::uint64_t offset) const {
    if (offset >= end_) return {};
    return text_.substr(offset <= begin() ? 0 : static_cast<size_t>(offset - begin()));
}

std::vector<std::string> Console::last_lines(size_t count) const {
    std::vector<std::string> lines;
    size_t end = text_.size();
    while (end > 0 && lines.size() < count) {
        size_t start = text_.rfind('\n', end - 1);
        size_t from = start == std::string::npos ? 0 : start + 1;
        std::string line;
        for (char c : std::string_view(text_).substr(from, end - from))
            if (static_cast<unsigned char>(c) >= ' ' && c != 0x7f) line += c;
        if (!line.empty()) lines.push_back(std::move(line));
        end = start == std::string::npos ? 0 : start;
    }
    std::reverse(lines.begin(), lines.end());
    return lines;
}

}  // namespace holon::node
