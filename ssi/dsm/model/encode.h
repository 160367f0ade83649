// SPDX-License-Identifier: GPL-2.0-or-later
//
// States of the model as bytes, to be recognised when they are met again, and events as words.
#pragma once

#include "ssi/dsm/model/system.h"

namespace holon::ssi::dsm::model {

template <Broken how>
void System<how>::encode(std::vector<std::uint8_t>& out, bool swap_nodes, bool swap_pages) const {
    out.clear();
    const auto node_name = [&](unsigned node) { return swap_nodes && node ? 3 - node : node; };
    const auto page_name = [&](unsigned page) { return swap_pages ? 1 - page : page; };
    const auto put = [&](auto value) { out.push_back(static_cast<std::uint8_t>(value)); };
    const auto set = [&](std::uint64_t mask) {
        return !swap_nodes ? mask : (mask & ~6U) | (mask & 2U) << 1 | (mask & 4U) >> 1;
    };
    const auto work = [&](const Work& each) {
        put(node_name(each.node) | static_cast<unsigned>(each.mode) << 2 | each.gather << 3U |
            unsigned{each.ahead} << 7);
    };
    // Contents count by how many writes they are behind.
    const auto version = [&](unsigned page, Version value) {
        put(value == 0 ? 255 : latest_[page] - value);
    };
    for (unsigned place = 0; place < pages; ++place) {
        const unsigned page = page_name(place);
        put(latest_[page] != 0);
        const auto& entry = Inspector::directory(home_, page);
        put(set(entry.nodes));
        put(entry.holding | entry.migratory << 2);
        if (Inspector::learns(home_)) {
            put(entry.doubt | entry.written << 2);
            put(entry.written ? node_name(static_cast<unsigned>(entry.last_writer)) : 0);
        }
        const Transaction* record = Inspector::transaction(home_, page);
        put(record ? 1 + record->waiting : 0);
        if (!record) continue;
        put(record->active | record->writing << 1);
        put(set(record->acks));
        work(record->current);
        for (unsigned i = 0; i < record->waiting; ++i) work(record->queue[i]);
    }
    const auto& gather = Inspector::gather(home_);
    put(gather.cursor);
    put(gather.outstanding);
    put(gather.announced);
    for (unsigned place = 0; place < nodes; ++place) {
        const unsigned node = node_name(place);
        const Port& own = port(node);
        for (unsigned page_place = 0; page_place < pages; ++page_place) {
            const unsigned page = page_name(page_place);
            put(own.pte[page]);
            version(page, own.version[page]);
            inspect(node, [&](auto& replica) {
                const auto& entry = Inspector::entry(replica, page);
                put(entry.state | entry.read_asked << 2 | entry.write_asked << 3 |
                    entry.deferred << 4 | entry.held << 5 | entry.migratory << 6);
                if (entry.deferred) put(Inspector::deferred_command(replica, page));
                if (!entry.migratory) return;
                write_version(scratch[1], own.version[page]);
                put(fingerprint(scratch[1]) == entry.print);
            });
        }
        for (unsigned mode = 0; mode < 2; ++mode) {
            const auto& list = Inspector::streams(home_, node, mode);
            put(list.list[0].begin);
            put(list.list[0].end);
            put(list.list[0].window | list.list[0].down << 7);
        }
        for (unsigned peer_place = 0; peer_place < nodes; ++peer_place) {
            const Link& link = own.out[node_name(peer_place)];
            put(link.count);
            for (unsigned i = 0; i < link.count; ++i) {
                const Message& message = link.messages[i];
                put(message.type);
                put(page_name(message.page) | message.b << 1 | message.data << 7);
                put(message.flags);
                if (!message.data) continue;
                version(message.page, message.versions[0]);
                if (message.b > 1) version(message.page + 1U, message.versions[1]);
            }
        }
        const Thread& thread = threads_[node];
        put(thread.left);
        put(thread.state);
        if (thread.state != Thread::State::idle)
            put(page_name(thread.page) | static_cast<unsigned>(thread.mode) << 1);
        put(thread.reported ? 1 + page_name(thread.reported_page) +
                                  2 * static_cast<unsigned>(thread.reported_mode)
                            : 0);
    }
    put(stage_);
    put(set(done_));
    put(port(0).gather_complete);
}

template <Broken how>
std::string System<how>::text(const Event& event, const System& before) {
    using Kind = Event::Kind;
    const std::string node = "node " + std::to_string(event.a);
    const std::string page = "page " + std::to_string(event.b);
    const auto& thread = before.threads_[event.a];
    const auto access = [](Mode mode, unsigned where) {
        return std::string(mode == Mode::write ? " writes page " : " reads page ") +
               std::to_string(where);
    };
    const auto frame = [](const Link& link) {
        static constexpr const char* names[] = {"?",         "request", "grant", "invalidate",
                                                "downgrade", "recall",  "ack"};
        const Message& message = link.messages[0];
        const auto type = static_cast<unsigned>(message.type);
        std::string words = message.type == wire::Type::discard ? "discard"
                            : message.type == wire::Type::done  ? "done"
                                                                : names[type < 7 ? type : 0];
        words += " of page " + std::to_string(message.page);
        if (message.type == wire::Type::request) words += message.b ? " (write)" : " (read)";
        if (message.flags & wire::grant_writable && message.type == wire::Type::grant)
            words += message.flags & wire::grant_upgrade ? " (upgrade)" : " (writable)";
        if (message.data) words += " with write " + std::to_string(message.versions[0]);
        return words;
    };
    const std::string age = event.aged ? ", its pages held long enough" : "";
    switch (event.kind) {
        case Kind::access:
            return node + access(Mode{event.c}, event.b);
        case Kind::retry:
            return node + " again" + access(thread.mode, thread.page);
        case Kind::report:
            return node + "'s agent handles a fault: it" +
                   access(thread.reported_mode, thread.reported_page) + age;
        case Kind::to_node:
            return node + " gets " + frame(before.port(0).out[event.a]) + age;
        case Kind::to_home:
            return "the home gets from " + node + " " + frame(before.port(event.a).out[0]) + age;
        case Kind::expire:
            return node + " carries out the command that waited for " + page;
        case Kind::start:
            return "the home begins the range operation" + age;
        case Kind::finish:
            return "the home ends the discard";
        case Kind::release:
            return "the home releases the range";
    }
    return "?";
}

}  // namespace holon::ssi::dsm::model
