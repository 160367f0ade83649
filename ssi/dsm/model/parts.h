// SPDX-License-Identifier: GPL-2.0-or-later
//
// The pieces of the system that the model checker explores: memory without pointers for the state
// machines, page tables with version numbers for contents, links that keep order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ssi/dsm/home.h"
#include "ssi/dsm/remote.h"

namespace holon::ssi::dsm::model {

inline constexpr unsigned nodes = 3;
inline constexpr unsigned pages = 2;
inline constexpr unsigned link_room = 12;  ///< more frames on a link than this count as unbounded

/// Entries of the few pages there are, in place.
template <class Entry>
class FlatTable {
  public:
    Entry* find(Page page) const { return page < pages ? &entries_[page] : nullptr; }
    template <class Port>
    Entry* make(Port&, Page page) {
        return find(page);
    }
    Entry* next(Page& page, Page last) const { return page <= last ? find(page) : nullptr; }
    template <class Port>
    void erase(Port&, Page first, Page last) {
        for (Page page = first; page <= last && page < pages; ++page) entries_[page] = Entry{};
    }

  private:
    mutable Entry entries_[pages]{};
};

/// As many records as there are pages: a page has at most one.
template <class Record>
class FlatPool {
  public:
    template <class Port>
    std::uint32_t take(Port&) {
        for (std::uint32_t number = 1; number <= pages; ++number)
            if (!taken_[number - 1]) {
                taken_[number - 1] = true;
                return number;
            }
        return 0;
    }
    void give(std::uint32_t number) {
        at(number) = Record{};
        taken_[number - 1] = false;
    }
    Record& at(std::uint32_t number) const { return records_[number - 1]; }
    std::uint32_t end() const { return pages + 1; }

  private:
    mutable Record records_[pages]{};
    bool taken_[pages]{};
};

template <Broken how>
struct ModelShape {
    template <class Entry>
    using Table = FlatTable<Entry>;
    template <class Record>
    using Pool = FlatPool<Record>;
    static constexpr unsigned nodes = model::nodes;
    static constexpr unsigned streams = 1;
    static constexpr unsigned unproven = 1;
    static constexpr unsigned gap = 0;
    static constexpr unsigned doubt = 0;
    static constexpr unsigned discards = 1;
    static constexpr unsigned gathers = 1;
    static constexpr unsigned gather_window = 8;
    static constexpr Broken broken = how;
};

/// A page's contents are the number of the write that made them; 0 are the zeros of an untouched
/// page.
using Version = std::uint8_t;

/// What a node's kernel has for a page.
enum class Pte : std::uint8_t { none, read_only, writable };

struct Message {
    wire::Type type;
    std::uint8_t page;
    std::uint8_t b;
    std::uint8_t flags;
    bool data;
    Version versions[pages];  ///< of the pages in the payload
};

struct Link {
    Message messages[link_room];
    std::uint8_t count;

    void push(const Message& message, const char*& error) {
        if (count == link_room)
            error = "frames pile up on a link";
        else
            messages[count++] = message;
    }
    Message pop() {
        const Message first = messages[0];
        --count;
        for (unsigned i = 0; i < count; ++i) messages[i] = messages[i + 1];
        messages[count] = {};
        return first;
    }
};

/// Contents pass through the protocol as bytes; these are the only bytes that matter.
inline std::byte scratch[2][pages * page_size];
inline void write_version(std::byte* page, Version version) {
    page[0] = static_cast<std::byte>(version);
}
inline Version read_version(const std::byte* page) { return static_cast<Version>(page[0]); }

/// One node's kernel and its links, as the protocol sees them. What a real kernel would refuse or
/// get wrong is an error of the model.
struct Port {
    Pte pte[pages]{};
    Version version[pages]{};
    bool woken[pages]{};
    Link out[nodes]{};
    bool gather_complete = false;
    const char* error = nullptr;

    void install(Page page, unsigned count, const std::byte* data, bool writable) {
        for (unsigned i = 0; i < count; ++i, ++page) {
            if (pte[page] != Pte::none) error = "COPY onto a page that is present";
            pte[page] = writable ? Pte::writable : Pte::read_only;
            version[page] = data ? read_version(data + i * page_size) : Version{0};
            woken[page] = true;
        }
    }
    void upgrade(Page page, unsigned count) {
        for (unsigned i = 0; i < count; ++i, ++page) {
            if (pte[page] != Pte::read_only) error = "an upgrade of a page that is not read-only";
            pte[page] = Pte::writable;
            woken[page] = true;
        }
    }
    void protect(Page page, unsigned count) {
        for (unsigned i = 0; i < count; ++i, ++page) {
            if (pte[page] == Pte::none) error = "WRITEPROTECT of a page that is not there";
            pte[page] = Pte::read_only;
        }
    }
    void copy(Page page, unsigned count, std::byte* out_data) {
        for (unsigned i = 0; i < count; ++i, ++page) {
            if (pte[page] == Pte::none) error = "a copy of a page that is not there";
            if (pte[page] == Pte::writable) error = "a copy of a page that can still change";
            write_version(out_data + i * page_size, version[page]);
        }
    }
    void drop(Page page, unsigned count) {
        for (unsigned i = 0; i < count; ++i, ++page) clear(page);
    }
    void wake(Page page) {
        if (page < pages) woken[page] = true;
    }
    std::byte* buffer() { return scratch[0]; }
    void send(Node to, const wire::Frame& frame, const std::byte* data) {
        Message message{};
        message.type = frame.type;
        message.page = static_cast<std::uint8_t>(page_of(frame.a));
        message.b = static_cast<std::uint8_t>(frame.b);
        message.flags = static_cast<std::uint8_t>(frame.flags);
        message.data = frame.length != 0;
        for (unsigned i = 0; i < frame.length / page_size; ++i)
            message.versions[i] = read_version(data + i * page_size);
        out[to].push(message, error);
    }
    void* allocate() { return nullptr; }
    void free(void*) {}

    bool home_has(Page page) { return pte[page] != Pte::none; }
    Mapping mapping(Page) { return {0, pages}; }
    void gathered(std::uint64_t) {
        if (gather_complete) error = "a gather was announced twice";
        gather_complete = true;
    }

    /// The range's memory is given up: after drop() and by the runtime's discard.
    void clear(Page page) {
        pte[page] = Pte::none;
        version[page] = 0;
    }
};

}  // namespace holon::ssi::dsm::model
