// SPDX-License-Identifier: GPL-2.0-or-later
// The console of one VM: read from QEMU's socket, kept in memory and in a file, both bounded,
// because what the guest writes is the user's and must not fill the node's disk. What is written
// while the daemon is away is lost.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/node/event.h"
#include "plugins/os/fd.h"

namespace holon::node {

class Console {
  public:
    Console(asio::io_context& io, std::filesystem::path socket, std::filesystem::path log);

    // Reads until QEMU closes. Connect before the VM is resumed, and the first line is there.
    Task<void> run();
    void close();

    std::uint64_t begin() const { return end_ - text_.size(); }  // offset of the oldest byte kept
    std::uint64_t end() const { return end_; }
    std::string since(std::uint64_t offset) const;
    std::vector<std::string> last_lines(size_t count) const;  // printable, for error messages
    Event& grew() { return grew_; }
    bool closed() const { return closed_; }

  private:
    static constexpr size_t kept = 256 * 1024;
    asio::io_context& io_;
    std::filesystem::path socket_path_, log_path_;
    asio::posix::stream_descriptor socket_;
    os::Fd log_;
    size_t logged_ = 0;
    std::string text_;
    std::uint64_t end_ = 0;
    bool closed_ = false;
    Event grew_;

    void append(std::string_view bytes);
};

// A connected, non-blocking stream socket to a UNIX socket's path; throws Error naming it.
os::Fd connect_unix(const std::filesystem::path& path);

}  // namespace holon::node
