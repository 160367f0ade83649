// SPDX-License-Identifier: GPL-2.0-or-later
//
// One node's side of the protocol, the home's included: what the node has of each page, and what it
// does when a thread faults, a grant arrives or a command takes a page away.
#pragma once

#include "ssi/dsm/table.h"
#include "ssi/dsm/types.h"

namespace holon::ssi::dsm {

enum class Command : std::uint8_t { none = 0, invalidate = 1, downgrade = 2, recall = 3 };

/// A guess whether a page changed between grant and return: 24 bits of its contents. A wrong guess
/// costs time, never correctness.
inline std::uint32_t fingerprint(const std::byte* page) {
    std::uint64_t lanes[4] = {1, 2, 3, 4};
    for (std::size_t at = 0; at < page_size; at += sizeof lanes) {
        std::uint64_t words[4];
        __builtin_memcpy(words, page + at, sizeof words);
        for (unsigned i = 0; i < 4; ++i) {
            lanes[i] = (lanes[i] ^ words[i]) * 0x9e37'79b9'7f4a'7c15U;
            lanes[i] ^= lanes[i] >> 29;
        }
    }
    const auto sum = lanes[0] ^ lanes[1] * 3 ^ lanes[2] * 5 ^ lanes[3] * 7;
    return static_cast<std::uint32_t>((sum ^ sum >> 24 ^ sum >> 48) & 0xff'ffff);
}

/// What became of a command.
struct Answer {
    bool deferred = false;  ///< the minimum hold is not over: expire() brings the answer
    bool data = false;      ///< the page is in the port's buffer
    bool clean = false;     ///< of a page granted as migratory: it goes back as it came
    bool absent = false;    ///< the node has not got it
};

/// The state of one node's pages: invalid, shared or modified, changed only by grants and commands.
///
/// It exists apart from the links so that the home's own copy obeys the same rules as everybody's.
/// Invariants: the PTE always agrees with the state (page operations are immediate); a request is
/// on its way exactly while its `asked` bit is set, and every grant that suffices clears it; a page
/// that was asked for stays for the minimum hold, so that the thread that waited gets to use it; a
/// command that comes earlier waits, and no grant for that page can come before it is answered,
/// because the directory keeps the page busy until then.
template <NodePort Port, class Shape = Shape>
class Replica {
  public:
    /// What a fault needs: nothing (it was woken, or what it needs is on its way), or a request.
    enum class Need : std::uint8_t { nothing, read, write };

    constexpr explicit Replica(const Config& config) : hold_(config.hold_ns / tick_ns) {}

    /// A thread of this node faulted.
    Status fault(Port& port, Page page, Mode mode, Need& need) {
        ++counters.faults;
        need = Need::nothing;
        if (page >= page_limit) return Status::bad_address;
        Entry* entry = table_.make(port, page);
        if (!entry) return Status::out_of_memory;
        if (suffices(entry->state, mode)) {
            port.wake(page);
            return Status::ok;
        }
        if (entry->write_asked || (mode == Mode::read && entry->read_asked)) return Status::ok;
        if (mode == Mode::write) {
            entry->write_asked = 1;
            need = Need::write;
        } else {
            entry->read_asked = 1;
            need = Need::read;
        }
        return Status::ok;
    }

    /// The directory grants `count` pages. `data` is null for zeros and upgrades.
    Status grant(Port& port, Page page, unsigned count, unsigned flags, const std::byte* data,
                 std::uint64_t now) {
        const bool writable = flags & wire::grant_writable;
        const bool upgrade = flags & wire::grant_upgrade;
        const auto before = upgrade ? PageState::shared : PageState::invalid;
        for (Page each = page; each < page + count; ++each) {
            Entry* entry = table_.make(port, each);
            if (!entry) return Status::out_of_memory;
            if (entry->state != bits(before) || entry->deferred)
                return Status::grant_contradicts_state;
        }
        for (Page each = page; each < page + count; ++each) {
            Entry& entry = *table_.find(each);
            const bool asked = entry.write_asked || entry.read_asked;
            entry.state = bits(writable ? PageState::modified : PageState::shared);
            entry.read_asked = 0;
            if (writable) entry.write_asked = 0;
            // A page nobody waits for may go at once: the hold is for the thread that faulted.
            entry.held = asked;
            entry.granted = now / tick_ns;
            entry.migratory = (flags & wire::grant_migratory) && data;
            entry.print = entry.migratory ? fingerprint(data + (each - page) * page_size) : 0;
        }
        counters.grants += count;
        if (upgrade)
            port.upgrade(page, count);
        else
            port.install(page, count, data, writable);
        return Status::ok;
    }

    /// The directory takes a page away, in part or whole.
    Status command(Port& port, Page page, Command command, std::uint64_t now, Answer& answer) {
        answer = {};
        count(command);
        Entry* entry = table_.find(page);
        if (!entry || entry->state == bits(PageState::invalid)) {
            // Forgotten by discard(): who asked is about to forget it too.
            answer.absent = true;
            return Status::ok;
        }
        if (entry->deferred) return Status::command_contradicts_state;
        if (is_held(*entry, now) && defer(port, page, command, now, hold_ - age_of(*entry, now))) {
            ++counters.deferred;
            entry->deferred = 1;
            answer.deferred = true;
            return Status::ok;
        }
        execute(port, page, *entry, command, answer);
        return Status::ok;
    }

    /// Carries out one command whose page has been held long enough. False: none is due.
    bool expire(Port& port, std::uint64_t now, Page& page, Answer& answer) {
        if (!first_ || deferred_.at(first_).deadline > now) return false;
        const Deferred due = deferred_.at(first_);
        unlink(first_);
        page = due.page;
        answer = {};
        Entry& entry = *table_.find(page);
        entry.deferred = 0;
        execute(port, page, entry, due.command, answer);
        return true;
    }

    /// When expire() has something to do next.
    std::uint64_t next_deadline() const { return first_ ? deferred_.at(first_).deadline : never; }

    /// The node forgets these pages, what it asked for and what it was told to give back. The
    /// runtime gives up the memory itself and then wakes who waits there.
    void discard(Port& port, Page first, Page last) {
        for (std::uint32_t each = first_; each;) {
            const std::uint32_t following = deferred_.at(each).next;
            const Page page = deferred_.at(each).page;
            if (page >= first && page <= last) unlink(each);
            each = following;
        }
        table_.erase(port, first, last);
    }

    /// At home: the page was here before the directory heard of it.
    Status adopt(Port& port, Page page) {
        Entry* entry = table_.make(port, page);
        if (!entry) return Status::out_of_memory;
        entry->state = bits(PageState::modified);
        return Status::ok;
    }

    /// Whether a command for the page would be carried out at once, with nothing to say about it.
    bool may_go(Page page, std::uint64_t now) const {
        const Entry* entry = table_.find(page);
        return entry && entry->state != bits(PageState::invalid) && !entry->deferred &&
               !entry->migratory && !is_held(*entry, now);
    }
    /// Carries out a command for pages that may go, all at once. Their contents are in the port's
    /// buffer, but after invalidate.
    void give_up(Port& port, Page first, unsigned count, Command command) {
        bool writable = false;
        for (Page page = first; page < first + count; ++page) {
            Entry& entry = *table_.find(page);
            writable |= entry.state == bits(PageState::modified);
            entry.state =
                bits(command == Command::downgrade ? PageState::shared : PageState::invalid);
            entry.held = 0;
            this->count(command);
        }
        if (command != Command::invalidate) {
            if (writable) port.protect(first, count);
            port.copy(first, count, port.buffer());
        }
        if (command != Command::downgrade) port.drop(first, count);
    }

    /// At home: a request turned out to be stale.
    void satisfied(Port& port, Page page) {
        Entry* entry = table_.find(page);
        if (!entry || !(entry->read_asked || entry->write_asked)) return;
        entry->read_asked = 0;
        if (entry->state == bits(PageState::modified)) entry->write_asked = 0;
        port.wake(page);
    }

    /// At home: nothing is mapped there any more. Who waits finds out for itself.
    void withdraw(Port& port, Page page) {
        if (Entry* entry = table_.find(page)) entry->read_asked = entry->write_asked = 0;
        port.wake(page);
    }

    PageState state(Page page) const {
        const Entry* entry = page < page_limit ? table_.find(page) : nullptr;
        return entry ? PageState{static_cast<std::uint8_t>(entry->state)} : PageState::invalid;
    }

    Counters counters{};

  private:
    friend struct Inspector;

    static constexpr std::uint64_t tick_ns = 1024;  ///< unit of `granted`
    static constexpr std::uint64_t granted_mask = (1U << 28) - 1;

    /// `granted` wraps after 4.6 minutes: a page as old as that may be held once more, for nothing.
    struct Entry {
        std::uint64_t state : 2;
        std::uint64_t read_asked : 1;
        std::uint64_t write_asked : 1;
        std::uint64_t deferred : 1;
        std::uint64_t held : 1;
        std::uint64_t migratory : 1;
        std::uint64_t print : 24;
        std::uint64_t granted : 28;
    };

    /// A command that waits; they are chained by deadline.
    struct Deferred {
        Page page;
        std::uint64_t deadline;
        std::uint32_t next;
        std::uint32_t previous;
        Command command;
    };

    static constexpr std::uint64_t bits(PageState state) {
        return static_cast<std::uint64_t>(state);
    }
    static constexpr bool suffices(std::uint64_t state, Mode mode) {
        return state >= bits(mode == Mode::write ? PageState::modified : PageState::shared);
    }

    static std::uint64_t age_of(const Entry& entry, std::uint64_t now) {
        return (now / tick_ns - entry.granted) & granted_mask;
    }
    bool is_held(const Entry& entry, std::uint64_t now) const {
        return entry.held && age_of(entry, now) < hold_;
    }

    void count(Command command) {
        if (command == Command::invalidate) ++counters.invalidations;
        if (command == Command::downgrade) ++counters.downgrades;
        if (command == Command::recall) ++counters.recalls;
    }

    void execute(Port& port, Page page, Entry& entry, Command command, Answer& answer) {
        if (command != Command::invalidate) {
            if (entry.state == bits(PageState::modified)) port.protect(page, 1);
            port.copy(page, 1, port.buffer());
            answer.data = true;
            answer.clean = entry.migratory && fingerprint(port.buffer()) == entry.print;
        }
        entry.migratory = 0;
        entry.held = 0;
        if (command == Command::downgrade) {
            entry.state = bits(PageState::shared);
            return;
        }
        entry.state = bits(PageState::invalid);
        port.drop(page, 1);
    }

    /// False: there is no room to remember it, so it is carried out early.
    bool defer(Port& port, Page page, Command command, std::uint64_t now, std::uint64_t ticks) {
        const std::uint32_t number = deferred_.take(port);
        if (!number) return false;
        Deferred& added = deferred_.at(number);
        added.page = page;
        added.command = command;
        added.deadline = now + ticks * tick_ns;
        std::uint32_t before = last_;
        while (before && deferred_.at(before).deadline > added.deadline)
            before = deferred_.at(before).previous;
        added.previous = before;
        added.next = before ? deferred_.at(before).next : first_;
        (before ? deferred_.at(before).next : first_) = number;
        (added.next ? deferred_.at(added.next).previous : last_) = number;
        return true;
    }

    void unlink(std::uint32_t number) {
        const Deferred gone = deferred_.at(number);
        (gone.previous ? deferred_.at(gone.previous).next : first_) = gone.next;
        (gone.next ? deferred_.at(gone.next).previous : last_) = gone.previous;
        deferred_.give(number);
    }

    typename Shape::template Table<Entry> table_{};
    typename Shape::template Pool<Deferred> deferred_{};
    std::uint32_t first_ = 0;
    std::uint32_t last_ = 0;
    std::uint64_t hold_;
};

}  // namespace holon::ssi::dsm
