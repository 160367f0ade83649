// SPDX-License-Identifier: GPL-2.0-or-later
//
// Discarding and gathering ranges. Part of home.h.
#pragma once

#include "ssi/dsm/home.h"

namespace holon::ssi::dsm {

template <HomePort Port, class Shape>
Status Home<Port, Shape>::begin_discard(Page first, Page last) {
    if (last < first || last >= page_limit) return Status::bad_address;
    if (!discarding_.add(first, last)) return Status::too_many_ranges;
    for_records(first, last, [this](Transaction& record, std::uint32_t) {
        while (record.waiting) forget(record.take(0));
        if (record.active) forget(record.current);
        record.current = {};
    });
    return Status::ok;
}

template <HomePort Port, class Shape>
Status Home<Port, Shape>::finish_discard(Page first, Page last, Afterwards afterwards, Held held,
                                         std::uint64_t now) {
    if (!discarding_.remove(first, last)) return Status::bad_address;
    if (afterwards == Afterwards::untouched) {
        Page page = first;
        for (Entry* entry; (entry = table_.next(page, last)); ++page) {
            const bool known = entry->holding != bits(Holding::unknown);
            *entry = {};
            if (known) entry->holding = bits(Holding::untouched);
        }
    } else {
        table_.erase(port_, first, last);
    }
    for_records(first, last, [&](Transaction& record, std::uint32_t number) {
        record.active = false;
        record.acks = 0;
        if (held == Held::drop)
            while (record.waiting) forget(record.take(0));
        Entry* entry = record.waiting ? make(record.page) : nullptr;
        if (!entry) {
            records_.give(number);
            return;
        }
        entry->record = number & 0xffff;
        pump(record.page, now);
    });
    return finish_call(now);
}

template <HomePort Port, class Shape>
Status Home<Port, Shape>::gather(Page first, Page last, Mode mode, std::uint64_t token,
                                 std::uint64_t now) {
    if (last < first || last >= page_limit) return Status::bad_address;
    for (auto& gather : gathers_) {
        if (gather.used) continue;
        gather = {first, last, first, token, 0, mode, true, false};
        ++gathering_;
        return finish_call(now);
    }
    return Status::too_many_ranges;
}

template <HomePort Port, class Shape>
Status Home<Port, Shape>::release(Page first, Page last, std::uint64_t now) {
    for (auto& gather : gathers_) {
        if (!gather.used || gather.first != first || gather.last != last) continue;
        gather = {};
        --gathering_;
        for_records(first, last,
                    [&](Transaction& record, std::uint32_t) { pump(record.page, now); });
        return finish_call(now);
    }
    return Status::bad_address;
}

template <HomePort Port, class Shape>
void Home<Port, Shape>::advance(Gather& gather, unsigned slot, std::uint64_t now) {
    while (gather.outstanding < Shape::gather_window) {
        Page page = gather.cursor;
        Entry* entry = table_.next(page, gather.last);
        gather.cursor = entry ? page + 1 : gather.last + 1;
        if (!entry) break;
        const bool busy = entry->record && records_.at(entry->record).active;
        if (!busy && at_home(*entry, gather.mode)) continue;
        ++gather.outstanding;
        const Work work = work_of(home_node, gather.mode, slot + 1, false);
        if (!submit(*entry, page, work, now)) return;
    }
    if (gather.cursor <= gather.last || gather.outstanding) return;
    gather.announced = true;
    port_.gathered(gather.token);
}

}  // namespace holon::ssi::dsm
