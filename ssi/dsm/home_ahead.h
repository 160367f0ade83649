// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pages that are granted unasked: untouched neighbours, and what lies ahead of who goes through
// memory in ascending or descending order. Part of home.h.
#pragma once

#include "ssi/dsm/home.h"

namespace holon::ssi::dsm {

template <HomePort Port, class Shape>
void Home<Port, Shape>::first_touch(Entry& entry, Page page, Node node, std::uint64_t now) {
    begin(entry, node);
    Page first = page;
    Page end = page + 1;
    if (config_.first_touch > 1) {
        const Mapping around = port_.mapping(page);
        const unsigned most = at_most(config_.first_touch);
        const unsigned ahead = streams_.touch(node, page, at_most(config_.ascending_touch));
        const Page block = page - page % most;
        const Page limit = ahead > most ? page + ahead : block + most;
        while (first > block && first > around.first && touch_too(first - 1, node)) --first;
        while (end < limit && end < around.end && touch_too(end, node)) ++end;
        streams_.touched(node, first, end);
    }
    replica_.counters.first_touched += end - first;
    give(node, first, static_cast<unsigned>(end - first), wire::grant_writable, nullptr, now);
}

template <HomePort Port, class Shape>
bool Home<Port, Shape>::touch_too(Page page, Node node) {
    if (closed(page, node)) return false;
    Entry* entry = make(page);
    if (!entry || entry->record) return false;
    if (is(*entry, Holding::unknown)) resolve(*entry, page);
    if (!is(*entry, Holding::untouched)) return false;
    begin(*entry, node);
    return true;
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::look_ahead(Node node, Page page, Mode mode, std::uint32_t nodes,
                                   std::uint64_t now) {
    const unsigned limit = mode == Mode::write ? config_.prefetch_writes : config_.prefetch_reads;
    const auto [count, used, steps, down] =
        streams_.observe(node, mode, page, limit < max_ahead ? limit : max_ahead);
    replica_.counters.prefetch_hits += used;
    if (!count) return;
    // What a writer leaves out others may be writing: each page is taken from its first owner only,
    // so that a wrong guess is not made again and again.
    const bool first_owners_only = steps && mode == Mode::write;
    const Mapping around = port_.mapping(page);
    const Page room = down ? page - around.first : around.end - page - 1;
    Run run{page, 0, down};  // goes in one grant; what comes next goes first
    for (unsigned i = 1; i <= count && i <= room; ++i) {
        const Page each = down ? page - i : page + i;
        if (closed(each, node)) break;
        Entry* entry = make(each);
        if (!entry) return;
        if (is(*entry, Holding::unknown)) resolve(*entry, each);
        const bool alike =
            mode == Mode::read || (entry->nodes == nodes && !(first_owners_only && entry->moved));
        const bool at_once = alike && goes_at_once(*entry, each, node, mode, now);
        if (!at_once || run.count == ahead_run) {
            grant_run(run, node, mode, now);
            run.count = 0;
        }
        if (at_once) {
            run.last = each;
            ++run.count;
            continue;
        }
        const Work work = work_of(node, mode, 0, true);
        if (!alike || entry->record || satisfied(*entry, work)) continue;
        if (!submit(*entry, each, work, now)) return;
    }
    grant_run(run, node, mode, now);
}

template <HomePort Port, class Shape>
bool Home<Port, Shape>::goes_at_once(const Entry& entry, Page page, Node node, Mode mode,
                                     std::uint64_t now) const {
    if (node == home_node || entry.record) return false;
    if (!replica_.may_go(page, now)) return false;
    if (is(entry, Holding::exclusive)) return entry.nodes == bit(home_node);
    if (mode == Mode::read) return !(entry.nodes & bit(node));
    return entry.nodes == (bit(home_node) | bit(node));
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::grant_run(const Run& run, Node node, Mode mode, std::uint64_t now) {
    const unsigned count = run.count;
    if (!count) return;
    const Page first = run.down ? run.last : run.last + 1 - count, end = first + count;
    const bool writing = mode == Mode::write;
    // Pages to be written are alike: all at home alone, or all shared with the node.
    const bool upgrade = writing && is(*table_.find(first), Holding::shared);
    replica_.give_up(port_, first, count,
                     upgrade   ? Command::invalidate
                     : writing ? Command::recall
                               : Command::downgrade);
    for (Page page = first; page < end; ++page) {
        Entry& entry = *table_.find(page);
        if (writing) {
            entry.moved = 1;
            learn(entry, node);
            take(entry, node);
            continue;
        }
        entry.holding = bits(Holding::shared);
        entry.nodes = (entry.nodes | bit(home_node) | bit(node)) & 0xffff'ffffU;
    }
    replica_.counters.prefetched += count;
    const unsigned how = upgrade ? wire::grant_upgrade : wire::grant_data;
    give(node, first, count, how | (writing ? unsigned{wire::grant_writable} : 0U),
         upgrade ? nullptr : port_.buffer(), now);
}

}  // namespace holon::ssi::dsm
