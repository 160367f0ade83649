// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the home remembers: who has each page, who waits for it, which ranges are being discarded or
// gathered, and who reads or writes in ascending order. The rules that change it are in home.h.
#pragma once

#include "ssi/dsm/table.h"
#include "ssi/dsm/types.h"

namespace holon::ssi::dsm {

/// Who has a page. unknown: the directory was never asked; it looks whether the page is at home.
enum class Holding : std::uint8_t { unknown = 0, untouched = 1, shared = 2, exclusive = 3 };

/// One page in the directory. It says what every node will have once all frames on the way to it
/// have arrived; requests are judged by this, never by what they claim. Invariants: exclusive names
/// exactly one node; shared always includes the home, so data is at home or at one known node.
struct DirectoryEntry {
    std::uint64_t nodes : 32;
    std::uint64_t holding : 2;
    std::uint64_t migratory : 1;
    std::uint64_t doubt : 2;        ///< evidence still wanted before the page is migratory (again)
    std::uint64_t last_writer : 5;  ///< valid if `written`
    std::uint64_t written : 1;
    std::uint64_t moved : 1;    ///< it has been granted for writing after its first owner had it
    std::uint64_t record : 16;  ///< the Transaction of a busy page; 0: none
};
static_assert(sizeof(DirectoryEntry) == 8);

/// Something that somebody wants done to a page.
struct Work {
    std::uint8_t node;
    Mode mode : 1;
    std::uint8_t gather : 4;  ///< 1 + slot of the gather that wants it at home; 0: a node asks
    bool ahead : 1;           ///< nobody asks yet: prefetch
};
static_assert(sizeof(Work) == 2);

constexpr Work work_of(Node node, Mode mode, unsigned gather, bool ahead) {
    Work work{};
    work.node = static_cast<std::uint8_t>(node);
    work.mode = mode;
    work.gather = gather & 15;
    work.ahead = ahead;
    return work;
}

/// A busy page: the work in progress, whose acks it waits for, and who comes next, in order of
/// arrival. Bounded by construction: a node waits at most once per mode, a gather once.
struct Transaction {
    static constexpr unsigned room = 2 * node_limit + 8;

    Page page;
    std::uint32_t acks;  ///< nodes that owe one; the home's own bit while its hold lasts
    std::uint32_t next;  ///< the pool's
    bool used;
    bool active;   ///< `current` is in progress
    bool writing;  ///< `current` ends in exclusive
    std::uint8_t waiting;
    Work current;
    Work queue[room];

    /// False: there is no room, which takes more requests than honest nodes have.
    bool push(const Work& work) {
        for (unsigned i = 0; i < waiting; ++i)
            if (queue[i].node == work.node && queue[i].mode == work.mode &&
                queue[i].gather == work.gather)
                return true;
        if (waiting == room) return false;
        queue[waiting++] = work;
        return true;
    }
    Work take(unsigned index) {
        const Work work = queue[index];
        --waiting;
        for (unsigned i = index; i < waiting; ++i) queue[i] = queue[i + 1];
        queue[waiting] = Work{};
        return work;
    }
};

/// A small set of ranges of pages, such as those being discarded.
template <unsigned limit>
class Ranges {
  public:
    bool add(Page first, Page last) {
        for (auto& range : ranges_)
            if (!range.used) {
                range = {first, last, true};
                ++count_;
                return true;
            }
        return false;
    }
    bool remove(Page first, Page last) {
        for (auto& range : ranges_)
            if (range.used && range.first == first && range.last == last) {
                range = {};
                --count_;
                return true;
            }
        return false;
    }
    bool contains(Page page) const {
        if (count_ == 0) return false;
        for (const auto& range : ranges_)
            if (range.used && page >= range.first && page <= range.last) return true;
        return false;
    }

  private:
    friend struct Inspector;
    struct Range {
        Page first;
        Page last;
        bool used;
    };
    Range ranges_[limit]{};
    unsigned count_ = 0;
};

/// A range whose pages are brought home, and from which nothing is granted to other nodes until it
/// is released.
struct Gather {
    Page first;
    Page last;
    Page cursor;  ///< pages below it have been looked at
    std::uint64_t token;
    std::uint32_t outstanding;  ///< pages looked at that are not home yet
    Mode mode;                  ///< read: at least a copy at home; write: nowhere else
    bool used;
    bool announced;
};

/// Who goes through memory in ascending or descending order, seen by requests alone. A stream is a
/// window of pages sent ahead; when the page behind the window is asked for, the window was used,
/// and the next is twice as long. A page right below one that was asked for alone begins a
/// descending stream. Steps of up to `gap` pages are ascending too (the rows of a matrix): all
/// that lies between is sent along, because it costs less than a request of its own and other
/// columns are likely to want it.
template <unsigned nodes, unsigned streams, unsigned unproven, unsigned gap>
class Streams {
  public:
    /// An untouched page was asked for: how many from it on to grant if it goes on where the last
    /// grant of zeros ended, twice as many as then; otherwise 0.
    unsigned touch(Node node, Page page, unsigned limit) {
        auto& own = streams_[node][touches];
        for (unsigned i = 0; i < streams; ++i) {
            if (own.list[i].end == 0 || own.list[i].end != page) continue;
            own.current = static_cast<std::uint8_t>(i);
            const unsigned next = own.list[i].window * 2U;
            return next < limit ? next : limit;
        }
        own.current = own.victim;
        own.victim = static_cast<std::uint8_t>((own.victim + 1) % streams);
        return 0;
    }
    /// What was granted to it then.
    void touched(Node node, Page first, Page end) {
        auto& own = streams_[node][touches];
        own.list[own.current] = {first, end, static_cast<std::uint16_t>(end - first), false, false};
    }

    /// What a request tells.
    struct Ahead {
        unsigned count = 0;  ///< pages behind it to send too, below it if `down`
        unsigned used = 0;   ///< pages sent ahead before that it shows to have been used
        bool steps = false;  ///< some were left out on the way: others may be at work on those
        bool down = false;
    };

    Ahead observe(Node node, Mode mode, Page page, unsigned limit) {
        if (limit == 0) return {};
        auto& own = streams_[node][static_cast<unsigned>(mode)];
        for (auto& stream : own.list) {
            if (stream.end == 0) continue;
            // One that could not be sent ahead.
            if (page >= stream.begin && page < stream.end) return {};
            const bool turns =
                !stream.down && stream.window == unproven && page + 2 == stream.begin;
            const bool down = stream.down || turns;
            if (down ? !turns && (page >= stream.begin || page + gap + 1 < stream.begin)
                     : page < stream.begin || page > stream.end + gap)
                continue;
            const bool left_out = !turns && page != (down ? stream.begin - 1 : stream.end);
            Ahead ahead{next_window(stream, limit), turns ? 0 : unsigned{stream.window},
                        stream.steps || left_out, down};
            if (down && ahead.count > page) ahead.count = static_cast<unsigned>(page);
            const Page begin = down ? page - ahead.count : page + 1;
            stream = {begin, begin + ahead.count, static_cast<std::uint16_t>(ahead.count),
                      ahead.steps, down};
            return ahead;
        }
        own.list[own.victim] = {page + 1, page + 1 + unproven, unproven, false, false};
        own.victim = static_cast<std::uint8_t>((own.victim + 1) % streams);
        return {unproven};
    }

  private:
    friend struct Inspector;
    static constexpr unsigned first_window = 4;
    struct Stream {
        Page begin;  ///< [begin, end) was sent ahead
        Page end;
        std::uint16_t window;
        bool steps;
        bool down;
    };
    static unsigned next_window(const Stream& stream, unsigned limit) {
        const unsigned next = stream.window ? stream.window * 2U : first_window;
        return next < limit ? next : limit;
    }
    struct PerMode {
        Stream list[streams];
        std::uint8_t victim;   ///< taken for the next stream
        std::uint8_t current;  ///< of touch()
    };
    static constexpr unsigned touches = 2;  ///< after the modes
    PerMode streams_[nodes][3]{};
};

}  // namespace holon::ssi::dsm
