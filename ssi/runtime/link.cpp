// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/link.h"

#include "ssi/runtime/arena.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/process.h"

namespace holon::ssi {
namespace {

/// A peer that has stopped (SIGSTOP, a machine that hangs) keeps its connection: TCP answers for
/// it.
constexpr std::uint64_t ask_after = 5'000'000'000;

/// The same for a body process, which waits when its home is stopped.
constexpr std::uint64_t ask_soon = 300'000'000, silence = 1'000'000'000;

constexpr int msg_dontwait = 0x40, msg_nosignal = 0x4000;

}  // namespace

bool Link::open(int socket) {
    socket_ = socket;
    if (!out_) out_ = static_cast<std::uint8_t*>(arena::allocate(capacity));
    if (!in_) in_ = static_cast<std::uint8_t*>(arena::allocate(in_capacity));
    out_begin_ = out_end_ = in_begin_ = in_end_ = 0;
    position_ = 0;
    heard_ = asked_ = agent_clock();
    return out_ && in_;
}

void Link::send(wire::Frame frame, const void* payload) {
    frame.clock = clock_now();
    ++position_;
    if (frame.length >= large) {
        // Not by way of the queue, if there is none.
        flush();
        if (out_begin_ == out_end_) {
            const std::size_t sent = send_now(&frame, payload, frame.length);
            const std::size_t of_frame = sent < sizeof frame ? sent : sizeof frame;
            const std::size_t of_payload = sent - of_frame;
            queue(reinterpret_cast<const std::uint8_t*>(&frame) + of_frame,
                  sizeof frame - of_frame);
            queue(static_cast<const std::uint8_t*>(payload) + of_payload,
                  frame.length - of_payload);
            return;
        }
    }
    queue(&frame, sizeof frame);
    queue(payload, frame.length);
    if (!collect || out_end_ - out_begin_ >= large) flush();
}

void Link::queue(const void* data, std::size_t size) {
    if (size == 0) return;
    if (out_end_ + size > capacity) {
        memmove(out_, out_ + out_begin_, out_end_ - out_begin_);
        out_end_ -= out_begin_;
        out_begin_ = 0;
        if (out_end_ + size > capacity) die("a page link's queue is full");
    }
    memcpy(out_ + out_end_, data, size);
    out_end_ += size;
}

/// How much of header and payload the socket took.
std::size_t Link::send_now(const void* header, const void* payload, std::size_t size) {
    sys::IoVec vectors[2] = {{header, sizeof(wire::Frame)}, {payload, size}};
    const sys::MsgHeader message{nullptr, 0, vectors, 2, nullptr, 0, 0};
    long n;
    do n = sys::call_with(__NR_sendmsg, socket_, &message, msg_dontwait | msg_nosignal);
    while (n == -sys::e_intr);
    return n > 0 ? static_cast<std::size_t>(n) : 0;
}

bool Link::alive(std::uint64_t now) {
    if (now - heard_ < ask_after || now - asked_ < ask_after) return true;
    // Silence is counted only while this side was awake to ask: a pause of both is no silence.
    if (now - asked_ > 2 * ask_after)
        heard_ = now - ask_after;
    else if (now - heard_ > give_up_after)
        return false;
    asked_ = now;
    send({0, wire::Type::ping, 0, 0, 0, 0}, nullptr);
    return true;
}

bool Link::silent(std::uint64_t now) {
    if (now - heard_ < ask_soon) return false;
    if (now - asked_ >= ask_soon) {
        asked_ = now;
        send({0, wire::Type::ping, 0, 0, 0, 0}, nullptr);
    }
    return now - heard_ >= silence;
}

void Link::flush() {
    while (out_begin_ != out_end_) {
        const long n = sys::call_with(__NR_sendto, socket_, out_ + out_begin_,
                                      out_end_ - out_begin_, msg_dontwait | msg_nosignal, 0, 0);
        if (n == -sys::e_intr) continue;
        if (n <= 0) return;  // full; or broken, which the reading side notices
        out_begin_ += static_cast<std::size_t>(n);
    }
    out_begin_ = out_end_ = 0;
}

long Link::fill() {
    if (in_begin_ != 0) {
        memmove(in_, in_ + in_begin_, in_end_ - in_begin_);
        in_end_ -= in_begin_;
        in_begin_ = 0;
    }
    const long n = sys::call_with(__NR_recvfrom, socket_, in_ + in_end_, in_capacity - in_end_,
                                  msg_dontwait, 0, 0);
    if (n == -sys::e_again || n == -sys::e_intr) return 0;
    if (n <= 0) return n == 0 ? -sys::e_badf : n;
    in_end_ += static_cast<std::size_t>(n);
    heard_ = agent_clock();
    return 0;
}

const wire::Frame* Link::next(long& error) {
    if (in_end_ - in_begin_ < sizeof(wire::Frame)) return nullptr;
    const auto* frame = reinterpret_cast<const wire::Frame*>(in_ + in_begin_);
    const std::size_t size = sizeof *frame + frame->length;
    if (frame->length > in_capacity / 2) {
        error = -sys::e_inval;
        return nullptr;
    }
    if (in_end_ - in_begin_ < size) return nullptr;
    clock_seen(frame->clock);
    in_begin_ += size;
    return frame;
}

}  // namespace holon::ssi
