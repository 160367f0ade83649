// SPDX-License-Identifier: GPL-2.0-or-later
// The two halves of a session's byte streams: what has been read from the process and not yet
// acknowledged by the host, and what has come from the host and not yet been taken by the process.
// Both hold at most stream_window.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/channel/frame.h"

namespace holon::guest {

// Bytes [acknowledged, end) of a stream; the part from `sent` on is still to be sent to the present
// host.
class OutputStream {
  public:
    std::size_t room() const { return channel::stream_window - (bytes_.size() - start_); }
    void append(std::string_view bytes);
    void finish() { finished_ = true; }
    bool finished() const { return finished_; }

    // Both are false, and nothing changes, for an offset that was never sent or is already
    // forgotten.
    bool acknowledge(std::uint64_t offset);
    bool send_from(std::uint64_t offset);

    std::string_view unsent() const;  // at most one frame's payload
    std::uint64_t sent() const { return sent_; }
    void mark_sent(std::size_t bytes) { sent_ += bytes; }

    // The end of the stream is announced once per attached host, after its last byte.
    bool eof_due() const { return finished_ && !eof_sent_ && sent_ == end(); }
    void mark_eof_sent() { eof_sent_ = true; }
    bool eof_sent() const { return eof_sent_; }

  private:
    std::uint64_t end() const { return acknowledged_ + (bytes_.size() - start_); }

    std::string bytes_;
    std::size_t start_ = 0;  // of byte `acknowledged` in bytes_
    std::uint64_t acknowledged_ = 0;
    std::uint64_t sent_ = 0;
    bool finished_ = false;
    bool eof_sent_ = false;
};

class InputStream {
  public:
    // False: a gap, or more than the window. What was received before (after a reconnect) is passed
    // over.
    bool receive(std::uint64_t offset, std::string_view bytes);
    bool receive_eof(std::uint64_t offset);

    std::string_view pending() const { return std::string_view(bytes_).substr(start_); }
    void mark_written(std::size_t bytes);
    // The process closed its end: what comes from now on counts as delivered.
    void discard();
    bool eof_due() const { return eof_ && bytes_.size() == start_; }

    std::uint64_t received() const { return written_ + (bytes_.size() - start_); }
    std::uint64_t written() const { return written_; }

  private:
    std::string bytes_;
    std::size_t start_ = 0;
    std::uint64_t written_ = 0;
    bool eof_ = false;
    bool discarding_ = false;
};

}  // namespace holon::guest
