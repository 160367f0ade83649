// SPDX-License-Identifier: GPL-2.0-or-later
//
// The protocol on a node that is not the home.
#pragma once

#include "ssi/dsm/replica.h"

namespace holon::ssi::dsm {

/// Joins a replica to the link to the home: faults become requests, commands become acks. It exists
/// so that the runtime of a body process has three calls to make: fault() for what userfaultfd
/// reports, receive() for what the link brings, tick() when next_deadline() has come. The link
/// must keep order in both directions: that is what makes grants safe that cross a request.
template <NodePort Port, class Shape = Shape>
class Remote {
  public:
    constexpr explicit Remote(Port port, const Config& config = {})
        : port_(port), replica_(config) {}

    /// A thread faulted. It is woken now, or by the grant that answers the request.
    [[nodiscard]] Status fault(Page page, Mode mode) {
        Need need;
        const Status status = replica_.fault(port_, page, mode, need);
        if (status != Status::ok || need == Need::nothing) return status;
        ++replica_.counters.requests;
        port_.send(home_node, make_frame(wire::Type::request, page, need == Need::write, 0, 0),
                   nullptr);
        return Status::ok;
    }

    /// A frame of type grant, invalidate, downgrade or recall, with frame.length bytes of payload.
    [[nodiscard]] Status receive(const wire::Frame& frame, const std::byte* payload,
                                 std::uint64_t now) {
        if (!names_page(frame)) return Status::bad_address;
        switch (frame.type) {
            case wire::Type::grant:
                return grant(frame, payload, now);
            case wire::Type::invalidate:
                return command(frame, Command::invalidate, now);
            case wire::Type::downgrade:
                return command(frame, Command::downgrade, now);
            case wire::Type::recall:
                return command(frame, Command::recall, now);
            default:
                return Status::unknown_type;
        }
    }

    /// Answers the commands whose pages have been held long enough.
    [[nodiscard]] Status tick(std::uint64_t now) {
        Page page;
        Answer answer;
        while (replica_.expire(port_, now, page, answer)) acknowledge(page, answer);
        return Status::ok;
    }
    std::uint64_t next_deadline() const { return replica_.next_deadline(); }

    /// The home said unmap or discard: these pages are forgotten. The runtime unmaps (or discards)
    /// the memory itself, wakes the range, and only then answers done.
    void discard(Page first, Page last) { replica_.discard(port_, first, last); }

    PageState state(Page page) const { return replica_.state(page); }
    const Counters& counters() const { return replica_.counters; }
    Port& port() { return port_; }

  private:
    friend struct Inspector;
    using Need = typename Replica<Port, Shape>::Need;

    Status grant(const wire::Frame& frame, const std::byte* payload, std::uint64_t now) {
        constexpr unsigned known =
            wire::grant_writable | wire::grant_data | wire::grant_upgrade | wire::grant_migratory;
        const bool data = frame.flags & wire::grant_data;
        const bool upgrade = frame.flags & wire::grant_upgrade;
        const bool writable = frame.flags & wire::grant_writable;
        if (frame.flags & ~known || (data && upgrade) || (upgrade && !writable) ||
            (frame.flags & wire::grant_migratory && !(data && writable)))
            return Status::bad_flags;
        if (!is_run(frame, data ? max_run : max_zeros)) return Status::bad_flags;
        if (frame.length != (data ? frame.b * page_size : 0)) return Status::bad_length;
        return replica_.grant(port_, page_of(frame.a), static_cast<unsigned>(frame.b), frame.flags,
                              data ? payload : nullptr, now);
    }

    Status command(const wire::Frame& frame, Command command, std::uint64_t now) {
        if (frame.length != 0) return Status::bad_length;
        if (frame.flags != 0 || !is_run(frame, max_run)) return Status::bad_flags;
        // Pages that may go now go together; the others one by one, when their hold is over.
        const Page end = page_of(frame.a) + frame.b;
        Page run = page_of(frame.a);
        for (Page page = run; page < end; ++page) {
            if (replica_.may_go(page, now)) continue;
            give_up(run, page, command);
            run = page + 1;
            Answer answer;
            const Status status = replica_.command(port_, page, command, now, answer);
            if (status != Status::ok) return status;
            if (!answer.deferred) acknowledge(page, answer);
        }
        give_up(run, end, command);
        return Status::ok;
    }

    void give_up(Page first, Page end, Command command) {
        if (first == end) return;
        const auto count = static_cast<unsigned>(end - first);
        replica_.give_up(port_, first, count, command);
        acknowledge(first, count, 0, command != Command::invalidate);
    }
    void acknowledge(Page page, const Answer& answer) {
        const unsigned flags = (answer.clean ? unsigned{wire::ack_clean} : 0U) |
                               (answer.absent ? unsigned{wire::ack_absent} : 0U);
        acknowledge(page, 1, flags, answer.data);
    }
    void acknowledge(Page page, unsigned count, unsigned flags, bool data) {
        const std::size_t length = data ? count * page_size : 0;
        replica_.counters.bytes += length;
        port_.send(home_node, make_frame(wire::Type::ack, page, count, flags, length),
                   data ? port_.buffer() : nullptr);
    }

    Port port_;
    Replica<Port, Shape> replica_;
};

}  // namespace holon::ssi::dsm
