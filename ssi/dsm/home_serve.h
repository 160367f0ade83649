// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the home serves requests: who must be commanded before a page changes hands, and how it
// does. Part of home.h.
#pragma once

#include "ssi/dsm/home.h"

namespace holon::ssi::dsm {

template <HomePort Port, class Shape>
void Home<Port, Shape>::request(Node node, Page page, Mode mode, std::uint64_t now) {
    ++replica_.counters.requests;
    if (!mapped(page)) {
        ++replica_.counters.stray_requests;
        if (node == home_node) replica_.withdraw(port_, page);
        return;
    }
    Entry* entry = make(page);
    if (!entry) return;
    const bool open = !closed(page, node);
    if (open && is(*entry, Holding::unknown)) resolve(*entry, page);
    const bool untouched = is(*entry, Holding::untouched);
    const auto nodes = static_cast<std::uint32_t>(entry->nodes);
    if (!entry->moved) ++replica_.counters.cold_requests;
    if (!submit(*entry, page, work_of(node, mode, 0, false), now)) return;
    if (open && !untouched) look_ahead(node, page, mode, nodes, now);
}

template <HomePort Port, class Shape>
bool Home<Port, Shape>::submit(Entry& entry, Page page, const Work& work, std::uint64_t now) {
    if (!entry.record) {
        const std::uint32_t number = records_.take(port_);
        if (!number) return work.ahead ? false : note(Status::too_many_requests);
        entry.record = number & 0xffff;
        records_.at(number).page = page;
        records_.at(number).used = true;
    }
    if constexpr (Shape::broken == Broken::forgets_waiting)
        if (records_.at(entry.record).active) return true;
    if (!records_.at(entry.record).push(work)) return note(Status::too_many_requests);
    pump(page, now);
    return true;
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::pump(Page page, std::uint64_t now) {
    Entry* entry = table_.find(page);
    if (!entry || !entry->record) return;
    Transaction& record = records_.at(entry->record);
    if (discarding_.contains(page) && Shape::broken != Broken::serves_discarded) return;
    const bool home_only = gathered(page);
    while (!record.active) {
        unsigned index = 0;
        while (home_only && index < record.waiting && record.queue[index].node != home_node)
            ++index;
        if (index >= record.waiting) break;
        start(*entry, record, record.take(index), now);
    }
    if (record.active || record.waiting) return;
    records_.give(entry->record);
    entry->record = 0;
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::start(Entry& entry, Transaction& record, const Work& work,
                              std::uint64_t now) {
    const Page page = record.page;
    if (is(entry, Holding::unknown)) resolve(entry, page);
    if (satisfied(entry, work)) {
        if (!work.gather && !work.ahead) ++replica_.counters.stale_requests;
        if (work.node == home_node) replica_.satisfied(port_, page);
        forget(work);
        return;
    }
    if (is(entry, Holding::untouched)) {
        first_touch(entry, page, work.node, now);
        return;
    }
    const bool promote = work.mode == Mode::read && entry.migratory && !work.gather &&
                         !work.ahead && is(entry, Holding::exclusive);
    record.current = work;
    record.active = true;
    record.writing = work.mode == Mode::write || promote;
    record.acks = 0;
    if (promote) ++replica_.counters.migratory;
    const auto others = static_cast<std::uint32_t>(entry.nodes) & ~bit(home_node) & ~bit(work.node);
    if (is(entry, Holding::exclusive)) {
        if (others)
            command(owner(entry), page, record.writing ? Command::recall : Command::downgrade);
        record.acks = others;
    } else if (record.writing) {
        for (std::uint32_t left = others; left; left &= left - 1)
            command(static_cast<Node>(std::countr_zero(left)), page, Command::invalidate);
        record.acks = others;
    }
    if constexpr (Shape::broken == Broken::grants_early)
        if (!is(entry, Holding::exclusive)) record.acks = 0;
    if (!record.acks) settle(entry, record, now);
}

template <HomePort Port, class Shape>
Status Home<Port, Shape>::ack(Node node, Page page, unsigned flags, const std::byte* data,
                              std::uint64_t now) {
    if constexpr (Shape::broken == Broken::grants_early)
        if (!data) return Status::ok;
    Entry* entry = table_.find(page);
    if (!entry || !entry->record) return Status::ack_without_command;
    Transaction& record = records_.at(entry->record);
    if (!record.active || !(record.acks & bit(node))) return Status::ack_without_command;
    const bool owed = is(*entry, Holding::exclusive);
    if (owed && !data) return Status::data_missing;
    if (!owed && data) return Status::data_unexpected;
    record.acks &= ~bit(node);
    if (record.acks || discarding_.contains(page)) return Status::ok;
    if (owed)
        finish(*entry, record, {.data = true, .clean = (flags & wire::ack_clean) != 0}, data, now);
    else
        settle(*entry, record, now);
    pump(page, now);
    return Status::ok;
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::settle(Entry& entry, Transaction& record, std::uint64_t now) {
    const Node node = record.current.node;
    Answer answer;
    if (node == home_node) {
        finish(entry, record, answer, nullptr, now);
        return;
    }
    if (is(entry, Holding::shared) && !record.writing) {
        port_.copy(record.page, 1, port_.buffer());
        finish(entry, record, answer, port_.buffer(), now);
        return;
    }
    if constexpr (Shape::broken == Broken::keeps_home_copy)
        if (is(entry, Holding::shared) && entry.nodes & bit(node)) {
            finish(entry, record, answer, nullptr, now);
            return;
        }
    const bool wants_data = !(is(entry, Holding::shared) && entry.nodes & bit(node));
    const Command command = !record.writing ? Command::downgrade
                            : wants_data    ? Command::recall
                                            : Command::invalidate;
    if (!note(replica_.command(port_, record.page, command, now, answer))) return;
    if (answer.absent || (!answer.deferred && wants_data != answer.data)) {
        note(Status::inconsistent);
        return;
    }
    record.acks = answer.deferred ? bit(home_node) : 0;
    if (!answer.deferred)
        finish(entry, record, answer, answer.data ? port_.buffer() : nullptr, now);
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::finish(Entry& entry, Transaction& record, const Answer& answer,
                               const std::byte* data, std::uint64_t now) {
    const Work work = record.current;
    const Page page = record.page;
    const bool had_copy = is(entry, Holding::shared) && (entry.nodes & bit(work.node) ||
                                                         Shape::broken == Broken::trusts_requests);
    record.active = false;
    record.current = {};
    if (answer.clean && entry.migratory) {
        entry.migratory = 0;
        entry.doubt = 2;
        ++replica_.counters.unmigrated;
    }
    if (work.ahead) ++replica_.counters.prefetched;
    if (record.writing) {
        entry.moved = 1;
        if (!work.gather) learn(entry, work.node);
        const bool watch = work.mode == Mode::read;
        entry.holding = bits(Holding::exclusive);
        entry.nodes = bit(work.node);
        give(work.node, page, 1,
             wire::grant_writable | (had_copy ? wire::grant_upgrade : wire::grant_data) |
                 (watch && data ? unsigned{wire::grant_migratory} : 0U),
             had_copy ? nullptr : data, now);
    } else {
        const bool home_lacks_it = !(entry.nodes & bit(home_node));
        entry.holding = bits(Holding::shared);
        entry.nodes = (entry.nodes | bit(home_node) | bit(work.node)) & 0xffff'ffffU;
        if (home_lacks_it && work.node != home_node)
            note(replica_.grant(port_, page, 1, wire::grant_data, data, now));
        give(work.node, page, 1, wire::grant_data, data, now);
    }
    forget(work);
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::learn(Entry& entry, Node node) {
    if (!config_.migratory) return;
    if (is(entry, Holding::shared) && entry.nodes & bit(node)) {
        const auto others = static_cast<std::uint32_t>(entry.nodes) & ~bit(home_node) & ~bit(node);
        const bool wanders = entry.written && entry.last_writer != node &&
                             !(others & ~bit(static_cast<Node>(entry.last_writer)));
        if (!wanders)
            entry.migratory = 0;
        else if (entry.doubt)
            entry.doubt = (entry.doubt - 1) & 3;
        else
            entry.migratory = 1;
    }
    entry.written = 1;
    entry.last_writer = node & 31;
}

}  // namespace holon::ssi::dsm
