// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/link.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace holon::guest {
namespace {

// How much one direction may move before the loop looks at everything else again.
constexpr std::size_t burst = 512 * 1024;

}  // namespace

Link::Link(Loop& loop, Engine& engine, os::Fd fd) : engine_(engine), fd_(std::move(fd)) {
    watch_ = loop.watch(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLET, [this](std::uint32_t events) {
        // Also at a hang-up: what the host sent before it left is still to be read, and the read
        // tells.
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable_ = true;
        writable_ = (events & EPOLLOUT) && !(events & EPOLLHUP);
    });
}

bool Link::pump() {
    const bool more = receive();
    return send() || more;
}

void Link::lost() {
    engine_.link_lost();
    out_.clear();
    written_ = 0;
}

bool Link::receive() {
    static std::array<char, 64 * 1024> buffer;
    for (std::size_t moved = 0; readable_ && moved < burst;) {
        const auto size = ::read(fd_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) {
            readable_ = false;
            if (size == 0 || errno != EAGAIN) lost();
            break;
        }
        moved += static_cast<std::size_t>(size);
        decoder_.feed({buffer.data(), static_cast<std::size_t>(size)});
        while (const auto frame = decoder_.next()) {
            if (frame->type == channel::Type::sync) {
                // The host does not know what a dead one was being sent; it looks for the answer to
                // this only.
                out_.clear();
                written_ = 0;
            }
            engine_.handle(*frame);
        }
    }
    return readable_;
}

bool Link::send() {
    for (std::size_t moved = 0; writable_ && moved < burst;) {
        if (written_ == out_.size()) {
            out_.clear();
            written_ = 0;
            const auto frame = engine_.next_frame();
            if (!frame) return false;
            channel::encode_to(out_, *frame);
        }
        const auto size = ::write(fd_.get(), out_.data() + written_, out_.size() - written_);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) {
            // Full, or nobody there any more: the next event says which.
            writable_ = false;
            if (size < 0 && errno != EAGAIN) lost();
            return false;
        }
        written_ += static_cast<std::size_t>(size);
        moved += static_cast<std::size_t>(size);
    }
    return writable_;
}

}  // namespace holon::guest
