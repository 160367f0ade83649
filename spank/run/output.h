// SPDX-License-Identifier: GPL-2.0-or-later
// Standard output and error. A pipe or terminal that is full must not keep signals waiting, so it
// is written to without blocking; its flags are put back at the end, for others may share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace holon::run {

class Output {
  public:
    explicit Output(int fd) : fd_(fd) {}
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    void stop_blocking();
    // How many of BYTES are off our hands; 0 where it is full. A reader that has gone takes
    // everything, as it does of a program that ignores SIGPIPE. Throws Error where bytes cannot be
    // kept (disk full).
    std::size_t write(std::string_view bytes);
    // One whole line, waiting for room where need be. Never throws.
    void line(const std::string& text, bool raw_terminal) noexcept;
    int fd() const { return fd_; }
    // {"name":NAME,"offset":OFFSET,"file":{"device","inode","length"},"excluded":""}: the file that
    // was written to up to OFFSET of the stream; or no file and the reason why it cannot be cut
    // back to that.
    nlohmann::json mark(const char* name, std::uint64_t offset) const;

  private:
    int fd_;
    std::optional<int> flags_;
    bool gone_ = false;
};

}  // namespace holon::run
