// SPDX-License-Identifier: GPL-2.0-or-later
//
// The protocol at home: the directory, and the home's own pages.
#pragma once

#include <bit>

#include "ssi/dsm/directory.h"
#include "ssi/dsm/replica.h"

namespace holon::ssi::dsm {

/// What the pages of a discarded range are afterwards. `unknown`: the directory looks whether they
/// are at home when somebody asks (right after anything); `untouched`: they are known to be zeros.
enum class Afterwards : std::uint8_t { unknown, untouched };

/// What becomes of requests that came while a range was being discarded. `serve`: the range is
/// still mapped everywhere (madvise). `drop`: it is not; who faults there is woken by the runtime.
enum class Held : std::uint8_t { serve, drop };

/// The home of one object: decides who may have which page, and is a node itself.
///
/// Requests for a page are served one after the other. To serve one, whoever must give up something
/// is commanded to, and the grant goes out when the last ack is in; meanwhile the page is busy and
/// further requests queue. Invariants: (1) at most one node can store to a page, and while one can,
/// no other can read it; (2) a new owner gets what the last owner wrote; (3) every request is
/// answered by a grant, or is stale because one is on its way. The home's own copy is changed by
/// direct calls, last of all, when every other ack is in: its contents are then the contents.
///
/// A frame never makes it misbehave: what the protocol forbids is returned as a Status, and the
/// runtime then ends the link.
template <HomePort Port, class Shape = Shape>
class Home {
  public:
    constexpr explicit Home(Port port, const Config& config = {})
        : port_(port), config_(config), replica_(config) {}

    // --- faults, frames, time

    /// A thread at home faulted. It is woken before this returns, or by a later call.
    [[nodiscard]] Status fault(Page page, Mode mode, std::uint64_t now) {
        typename Replica<Port, Shape>::Need need;
        if (note(replica_.fault(port_, page, mode, need)) &&
            need != Replica<Port, Shape>::Need::nothing)
            request(home_node, page, mode, now);
        return finish_call(now);
    }

    /// A frame of type request or ack from another node, with frame.length bytes of payload.
    [[nodiscard]] Status receive(Node from, const wire::Frame& frame, const std::byte* payload,
                                 std::uint64_t now) {
        if (from == home_node || from >= Shape::nodes) return Status::bad_node;
        if (!names_page(frame)) return Status::bad_address;
        if (frame.type == wire::Type::request) {
            if (frame.length != 0) return Status::bad_length;
            if (frame.flags != 0 || frame.b > 1) return Status::bad_flags;
            request(from, page_of(frame.a), frame.b ? Mode::write : Mode::read, now);
            return finish_call(now);
        }
        if (frame.type != wire::Type::ack) return Status::unknown_type;
        if (frame.flags & ~(wire::ack_clean | wire::ack_absent) || !is_run(frame, max_run))
            return Status::bad_flags;
        if (frame.length != 0 && frame.length != frame.b * page_size) return Status::bad_length;
        for (unsigned i = 0; i < frame.b; ++i) {
            const std::byte* data = frame.length ? payload + i * page_size : nullptr;
            const Status status = ack(from, page_of(frame.a) + i, frame.flags, data, now);
            if (status == Status::ok) continue;
            // What the pages before it have set going goes on.
            (void)finish_call(now);
            return status;
        }
        return finish_call(now);
    }

    /// Goes on with what waited for the minimum hold of the home's own pages.
    [[nodiscard]] Status tick(std::uint64_t now) {
        Page page;
        Answer answer;
        while (replica_.expire(port_, now, page, answer)) {
            Entry* entry = table_.find(page);
            if (!entry || !entry->record) continue;
            Transaction& record = records_.at(entry->record);
            record.acks &= ~bit(home_node);
            if (discarding_.contains(page)) continue;
            finish(*entry, record, answer, answer.data ? port_.buffer() : nullptr, now);
            pump(page, now);
        }
        return finish_call(now);
    }
    std::uint64_t next_deadline() const { return replica_.next_deadline(); }

    // --- ranges; [first, last] with last included

    /// 1. From now on nothing in the range is granted. Then the runtime sends unmap or discard to
    /// every node, and every node forgets the range and answers done.
    [[nodiscard]] Status begin_discard(Page first, Page last);
    /// 2. The home's own node forgets the range (at any time between 1 and 3). As on other nodes,
    /// the runtime gives the memory up and wakes the range itself.
    void discard(Page first, Page last) { replica_.discard(port_, first, last); }
    /// 3. Every node has answered done. The same range as in 1.
    [[nodiscard]] Status finish_discard(Page first, Page last, Afterwards afterwards, Held held,
                                        std::uint64_t now);

    /// Brings home what other nodes have of the range: Mode::read: every page is at least readable
    /// at home (fork); Mode::write: nobody else has any (mremap). Other nodes are granted nothing
    /// in the range until release(); the home is. port.gathered(token) tells when it is done,
    /// perhaps from inside this call. Gathers do not overlap each other, and a discard only when
    /// they are done.
    [[nodiscard]] Status gather(Page first, Page last, Mode mode, std::uint64_t token,
                                std::uint64_t now);
    [[nodiscard]] Status release(Page first, Page last, std::uint64_t now);

    // --- to look at

    PageState state(Page page) const { return replica_.state(page); }
    /// Nodes that have, or are about to have, the page, one bit each.
    std::uint32_t holders(Page page) const {
        const Entry* entry = page < page_limit ? table_.find(page) : nullptr;
        return entry ? static_cast<std::uint32_t>(entry->nodes) : 0;
    }
    const Counters& counters() const { return replica_.counters; }
    Port& port() { return port_; }

  private:
    friend struct Inspector;
    using Entry = DirectoryEntry;

    static constexpr std::uint32_t bit(Node node) { return 1U << node; }
    static constexpr std::uint64_t bits(Holding holding) {
        return static_cast<std::uint64_t>(holding);
    }
    static bool is(const Entry& entry, Holding holding) { return entry.holding == bits(holding); }
    static Node owner(const Entry& entry) {
        return static_cast<Node>(std::countr_zero(static_cast<std::uint32_t>(entry.nodes)));
    }

    // --- requests

    void request(Node node, Page page, Mode mode, std::uint64_t now);

    /// Puts work behind what the page is busy with, and goes on with whatever can be done.
    bool submit(Entry& entry, Page page, const Work& work, std::uint64_t now);

    /// Serves who waits for the page, one after the other, until an ack must be waited for.
    void pump(Page page, std::uint64_t now);

    void start(Entry& entry, Transaction& record, const Work& work, std::uint64_t now);

    Status ack(Node node, Page page, unsigned flags, const std::byte* data, std::uint64_t now);

    /// Every other node has answered: now the home's own page, and then the grant.
    void settle(Entry& entry, Transaction& record, std::uint64_t now);

    /// Everybody has given up what stood in the way: the page changes hands.
    void finish(Entry& entry, Transaction& record, const Answer& answer, const std::byte* data,
                std::uint64_t now);

    void forget(const Work& work) {
        if (work.gather) --gathers_[work.gather - 1].outstanding;
    }

    /// Whether the node has, or is about to have, what the work is for.
    static bool satisfied(const Entry& entry, const Work& work) {
        if (is(entry, Holding::untouched)) return work.gather || work.ahead;
        if (is(entry, Holding::shared))
            return work.mode == Mode::read && entry.nodes & bit(work.node);
        return entry.nodes == bit(work.node);
    }

    /// A page that a node read and then wrote, after another node had done the same, wanders.
    void learn(Entry& entry, Node node);

    // --- towards the nodes

    /// Commands for neighbouring pages of a node go in one frame, at the end of the call.
    void command(Node node, Page page, Command command) {
        auto& order = order_;
        const unsigned most = command == Command::invalidate ? max_run : ahead_run;
        if (order.count && order.count < most && order.node == node && order.command == command &&
            order.first + order.count == page) {
            ++order.count;
            return;
        }
        send_order();
        order = {page, node, 1, command};
    }
    void send_order() {
        const Order order = order_;
        order_ = {};
        if (!order.count) return;
        auto& counters = replica_.counters;
        auto type = wire::Type::invalidate;
        if (order.command == Command::invalidate) counters.invalidations += order.count;
        if (order.command == Command::downgrade) {
            counters.downgrades += order.count;
            type = wire::Type::downgrade;
        }
        if (order.command == Command::recall) {
            counters.recalls += order.count;
            type = wire::Type::recall;
        }
        port_.send(order.node, make_frame(type, order.first, order.count, 0, 0), nullptr);
    }

    void give(Node node, Page page, unsigned count, unsigned flags, const std::byte* data,
              std::uint64_t now) {
        if (flags & wire::grant_upgrade) replica_.counters.upgrades += count;
        if ((flags & wire::grant_data) && !data) {
            note(Status::inconsistent);
            return;
        }
        if (node == home_node) {
            note(replica_.grant(port_, page, count, flags, data, now));
            return;
        }
        const std::size_t length = data ? count * page_size : 0;
        replica_.counters.grants += count;
        replica_.counters.bytes += length;
        port_.send(node, make_frame(wire::Type::grant, page, count, flags, length), data);
    }

    /// Nobody has the page: the node gets it, and its untouched neighbours with it.
    void first_touch(Entry& entry, Page page, Node node, std::uint64_t now);
    static unsigned at_most(std::uint32_t wanted) {
        return wanted < max_zeros / 2 ? wanted : max_zeros / 2;
    }
    bool touch_too(Page page, Node node);
    /// The page's first owner. One hand-over is no evidence yet: it may be the end of the page's
    /// initialisation.
    static void begin(Entry& entry, Node node) {
        take(entry, node);
        entry.migratory = 0;
        entry.moved = 0;
        entry.doubt = Shape::doubt;
    }
    static void take(Entry& entry, Node node) {
        entry.holding = bits(Holding::exclusive);
        entry.nodes = bit(node);
        entry.written = 1;
        entry.last_writer = node & 31;
    }

    /// Neighbouring pages, of which `last` came last.
    struct Run {
        Page last;
        unsigned count;
        bool down;
    };
    /// Sends pages ahead of who goes through memory in order, in one grant where they are at home.
    /// Of pages to be written only those are taken that were where the page asked for was.
    void look_ahead(Node node, Page page, Mode mode, std::uint32_t nodes, std::uint64_t now);
    /// Nobody but the home has to do anything for it.
    bool goes_at_once(const Entry& entry, Page page, Node node, Mode mode, std::uint64_t now) const;
    void grant_run(const Run& run, Node node, Mode mode, std::uint64_t now);

    // --- the directory's own

    Entry* make(Page page) {
        Entry* entry = table_.make(port_, page);
        if (!entry) note(Status::out_of_memory);
        return entry;
    }

    void resolve(Entry& entry, Page page) {
        if (!port_.home_has(page)) {
            entry.holding = bits(Holding::untouched);
            return;
        }
        begin(entry, home_node);
        note(replica_.adopt(port_, page));
    }

    bool mapped(Page page) {
        const Mapping around = port_.mapping(page);
        return page >= around.first && page < around.end;
    }
    bool gathered(Page page) const {
        if (!gathering_ || Shape::broken == Broken::serves_gathered) return false;
        for (const auto& gather : gathers_)
            if (gather.used && page >= gather.first && page <= gather.last) return true;
        return false;
    }
    /// Nothing is granted to the node there now.
    bool closed(Page page, Node node) const {
        return discarding_.contains(page) || (node != home_node && gathered(page));
    }

    template <class F>
    void for_records(Page first, Page last, F&& each) {
        for (std::uint32_t number = 1; number < records_.end(); ++number) {
            Transaction& record = records_.at(number);
            if (record.used && record.page >= first && record.page <= last) each(record, number);
        }
    }

    /// Asks for further pages of a gather, as many as may be on their way.
    void advance(Gather& gather, unsigned slot, std::uint64_t now);
    static bool at_home(const Entry& entry, Mode mode) {
        if (is(entry, Holding::unknown) || is(entry, Holding::untouched)) return true;
        return mode == Mode::read ? entry.nodes & bit(home_node) : entry.nodes == bit(home_node);
    }

    /// The last thing in every call.
    Status finish_call(std::uint64_t now) {
        if (gathering_)
            for (unsigned slot = 0; slot < Shape::gathers; ++slot)
                if (gathers_[slot].used && !gathers_[slot].announced)
                    advance(gathers_[slot], slot, now);
        send_order();
        return status_;
    }
    /// Remembers the first failure that is not the fault of one frame; every later call returns it.
    bool note(Status status) {
        if (status_ == Status::ok) status_ = status;
        return status == Status::ok;
    }

    /// A command that has not been sent yet.
    struct Order {
        Page first;
        Node node;
        unsigned count;
        Command command;
    };

    Port port_;
    Config config_;
    Order order_{};
    Replica<Port, Shape> replica_;
    typename Shape::template Table<Entry> table_{};
    typename Shape::template Pool<Transaction> records_{};
    Ranges<Shape::discards> discarding_{};
    Gather gathers_[Shape::gathers]{};
    unsigned gathering_ = 0;
    Streams<Shape::nodes, Shape::streams, Shape::unproven, Shape::gap> streams_{};
    Status status_ = Status::ok;
};

}  // namespace holon::ssi::dsm

#include "ssi/dsm/home_ahead.h"
#include "ssi/dsm/home_ranges.h"
#include "ssi/dsm/home_serve.h"
