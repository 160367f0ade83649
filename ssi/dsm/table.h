// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where entries and records lie: blocks of 4096 zeroed bytes from the port's allocator, nothing
// else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ssi/dsm/types.h"

namespace holon::ssi::dsm {

/// One 8-byte entry per page of a 48-bit address space. A radix tree of four levels with 512
/// branches each, because programs reserve terabytes and touch little: what was never touched costs
/// nothing, neither memory nor, in next() and erase(), time. An entry of zeros means the same as no
/// entry. Entries do not move; erase() gives blocks back, so pointers are not kept across it.
template <class Entry>
class RadixTable {
    static_assert(sizeof(Entry) == 8 && std::is_trivially_copyable_v<Entry>);

  public:
    Entry* find(Page page) const {
        void* node = root_;
        for (unsigned level = top; node && level > 0; --level)
            node = branches(node)[index(page, level)];
        return node ? entries(node) + index(page, 0) : nullptr;
    }

    /// As find(), but makes what is missing. Null: no memory.
    template <class Port>
    Entry* make(Port& port, Page page) {
        void** slot = &root_;
        for (unsigned level = top;; --level) {
            if (!*slot) *slot = port.allocate();
            if (!*slot) return nullptr;
            if (level == 0) return entries(*slot) + index(page, 0);
            slot = branches(*slot) + index(page, level);
        }
    }

    /// The entry of the first page in [page, last] for which there is memory, `page` set to it;
    /// null: there is none.
    Entry* next(Page& page, Page last) const {
        while (page <= last) {
            void* node = root_;
            unsigned level = top;
            for (; node && level > 0; --level) node = branches(node)[index(page, level)];
            if (node) return entries(node) + index(page, 0);
            // The walk ended at an empty subtree of 512^(level + 1) pages.
            const unsigned shift = bits * (level + 1);
            page = ((page >> shift) + 1) << shift;
        }
        return nullptr;
    }

    /// Makes every entry in [first, last] zero and frees the blocks that lie wholly inside.
    template <class Port>
    void erase(Port& port, Page first, Page last) {
        erase(port, root_, top, 0, first, last);
    }

  private:
    static constexpr unsigned bits = 9;
    static constexpr unsigned fan = 1U << bits;
    static constexpr unsigned top = 3;

    static void** branches(void* node) { return static_cast<void**>(node); }
    static Entry* entries(void* node) { return static_cast<Entry*>(node); }
    static unsigned index(Page page, unsigned level) {
        return static_cast<unsigned>(page >> (bits * level)) & (fan - 1);
    }

    template <class Port>
    static void erase(Port& port, void*& node, unsigned level, Page base, Page first, Page last) {
        if (!node) return;
        const unsigned shift = bits * level;
        for (unsigned i = 0; i < fan; ++i) {
            const Page begin = base + (Page{i} << shift);
            const Page end = begin + (Page{1} << shift) - 1;
            if (end < first || begin > last) continue;
            if (level > 0)
                erase(port, branches(node)[i], level - 1, begin, first, last);
            else
                entries(node)[i] = Entry{};
        }
        if (base < first || base + (Page{fan} << shift) - 1 > last) return;
        port.free(node);
        node = nullptr;
    }

    void* root_ = nullptr;
};

/// Records that come and go, named by small numbers so that an 8-byte entry can name one; 0 names
/// none. A record has a member `std::uint32_t next`, the pool's while the record is free. The pool
/// never gives blocks back: its size is that of the worst moment.
template <class Record>
class BlockPool {
    static_assert(std::is_trivially_copyable_v<Record>);

  public:
    static constexpr std::uint32_t per_block = 4096 / sizeof(Record);
    static constexpr std::uint32_t capacity = 512 * per_block < 65536 ? 512 * per_block : 65536;

    /// The number of a zeroed record; 0: no memory, or as many as there can be.
    template <class Port>
    std::uint32_t take(Port& port) {
        std::uint32_t number = free_;
        if (number) {
            free_ = at(number).next;
        } else {
            number = used_ ? used_ : 1;
            if (number >= capacity || !room_for(port, number)) return 0;
            used_ = number + 1;
        }
        at(number) = Record{};
        return number;
    }
    void give(std::uint32_t number) {
        at(number) = Record{};
        at(number).next = free_;
        free_ = number;
    }
    Record& at(std::uint32_t number) const {
        return static_cast<Record**>(root_)[number / per_block][number % per_block];
    }
    /// Numbers that were ever taken are below this.
    std::uint32_t end() const { return used_; }

  private:
    template <class Port>
    bool room_for(Port& port, std::uint32_t number) {
        if (!root_) root_ = port.allocate();
        if (!root_) return false;
        auto& block = static_cast<void**>(root_)[number / per_block];
        if (!block) block = port.allocate();
        return block != nullptr;
    }

    void* root_ = nullptr;
    std::uint32_t used_ = 0;
    std::uint32_t free_ = 0;
};

/// Ways to break the protocol on purpose. The model checker's tests compile the state machine with
/// each of them, to show that the checker would find such a fault.
enum class Broken : std::uint8_t {
    nothing,
    grants_early,      ///< does not wait for the acks
    forgets_waiting,   ///< a request for a busy page is lost
    trusts_requests,   ///< a writer is taken to have the copy that it may have had when it asked
    keeps_home_copy,   ///< the home's own copy stays when another node becomes the writer
    serves_discarded,  ///< grants pages of a range that is being discarded
    serves_gathered,   ///< grants pages of a range that is being gathered
};

/// How the state machines lie in memory. A runtime uses this one; the model checker has its own,
/// without pointers, so that a whole system is copied as bytes.
struct Shape {
    template <class Entry>
    using Table = RadixTable<Entry>;
    template <class Record>
    using Pool = BlockPool<Record>;
    static constexpr unsigned nodes = node_limit;
    static constexpr unsigned streams = 8;    ///< orderly accesses followed at a time per node
    static constexpr unsigned unproven = 0;   ///< pages sent ahead of an access that stands alone
    static constexpr unsigned gap = 8;        ///< pages that an orderly access may leave out
    static constexpr unsigned doubt = 1;      ///< hand-overs of a new page that prove nothing
    static constexpr unsigned discards = 32;  ///< ranges being discarded at a time
    static constexpr unsigned gathers = 4;    ///< ranges being gathered or held at a time
    static constexpr unsigned gather_window = 128;  ///< pages of a gather on their way at a time
    static constexpr Broken broken = Broken::nothing;
};

}  // namespace holon::ssi::dsm
