// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/streams.h"

#include <algorithm>

namespace holon::guest {
namespace {

// The kernel hands a virtio port at most 32 KiB at a time (drivers/char/virtio_console.c,
// port_fops_write): a frame of two such pieces, header included, leaves no small third.
constexpr std::size_t full_payload = 2 * 32 * 1024 - channel::header_size;
static_assert(full_payload <= channel::max_payload);

// Moving the rest down costs as much as it is long: only when at least as much has gone before it.
void compact(std::string& bytes, std::size_t& start) {
    if (start == bytes.size()) {
        bytes.clear();
        start = 0;
    } else if (start > bytes.size() / 2) {
        bytes.erase(0, start);
        start = 0;
    }
}

}  // namespace

void OutputStream::append(std::string_view bytes) { bytes_.append(bytes); }

bool OutputStream::acknowledge(std::uint64_t offset) {
    if (offset > sent_) return false;
    if (offset <= acknowledged_) return true;  // an older one, overtaken
    start_ += static_cast<std::size_t>(offset - acknowledged_);
    acknowledged_ = offset;
    compact(bytes_, start_);
    return true;
}

bool OutputStream::send_from(std::uint64_t offset) {
    if (offset < acknowledged_ || offset > end()) return false;
    sent_ = offset;
    eof_sent_ = false;
    return true;
}

std::string_view OutputStream::unsent() const {
    return std::string_view(bytes_).substr(start_ + static_cast<std::size_t>(sent_ - acknowledged_),
                                           full_payload);
}

bool InputStream::receive(std::uint64_t offset, std::string_view bytes) {
    if (offset > received()) return false;
    bytes.remove_prefix(
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), received() - offset)));
    // A program that goes on from a checkpoint had all of its input file, which has grown since.
    if (eof_) return true;
    if (discarding_) {
        written_ += bytes.size();
        return true;
    }
    if (bytes_.size() - start_ + bytes.size() > channel::stream_window) return false;
    bytes_.append(bytes);
    return true;
}

bool InputStream::receive_eof(std::uint64_t offset) {
    if (offset != received()) return false;
    eof_ = true;
    return true;
}

void InputStream::mark_written(std::size_t bytes) {
    start_ += bytes;
    written_ += bytes;
    compact(bytes_, start_);
}

void InputStream::discard() {
    mark_written(bytes_.size() - start_);
    discarding_ = true;
}

}  // namespace holon::guest
