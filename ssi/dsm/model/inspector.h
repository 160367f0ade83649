// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include "ssi/dsm/home.h"
#include "ssi/dsm/remote.h"

namespace holon::ssi::dsm {

/// The model checker's view into the state machines: to tell states apart, and to let time pass for
/// one page at will. The state machines name it as their friend; nothing else defines it.
struct Inspector {
    template <class Node>
    static auto& replica(Node& node) {
        return node.replica_;
    }
    template <class Replica>
    static auto& entry(Replica& replica, Page page) {
        return *replica.table_.find(page);
    }
    template <class Home>
    static const DirectoryEntry& directory(const Home& home, Page page) {
        return *home.table_.find(page);
    }
    template <class Home>
    static const Transaction* transaction(const Home& home, Page page) {
        const auto number = directory(home, page).record;
        return number ? &home.records_.at(static_cast<std::uint32_t>(number)) : nullptr;
    }
    template <class Home>
    static bool learns(const Home& home) {
        return home.config_.migratory;
    }
    template <class Home>
    static const auto& gather(const Home& home) {
        return home.gathers_[0];
    }
    template <class Home>
    static const auto& streams(const Home& home, Node node, unsigned mode) {
        return home.streams_.streams_[node][mode];
    }
    template <class Home>
    static bool busy(const Home& home) {
        for (std::uint32_t number = 1; number < home.records_.end(); ++number)
            if (home.records_.at(number).used) return true;
        return false;
    }

    /// Whether a command for the page would be deferred.
    template <class Replica>
    static bool holds(Replica& replica, Page page) {
        return entry(replica, page).held && !entry(replica, page).deferred;
    }
    /// The page has been held long enough.
    template <class Replica>
    static void age(Replica& replica, Page page) {
        if (!entry(replica, page).deferred) entry(replica, page).held = 0;
    }
    template <class Replica>
    static bool deferred(Replica& replica, Page page) {
        return entry(replica, page).deferred;
    }
    template <class Replica>
    static Command deferred_command(Replica& replica, Page page) {
        for (auto each = replica.first_; each; each = replica.deferred_.at(each).next)
            if (replica.deferred_.at(each).page == page) return replica.deferred_.at(each).command;
        return Command::none;
    }
    /// The page's deferred command, and no other, is due at time 1.
    template <class Replica>
    static void due(Replica& replica, Page page) {
        auto& first = replica.deferred_.at(replica.first_);
        for (auto each = replica.first_; each; each = replica.deferred_.at(each).next) {
            auto& other = replica.deferred_.at(each);
            other.deadline = never - 1;
            if (other.page != page || &other == &first) continue;
            const auto command = other.command;
            other.page = first.page;
            other.command = first.command;
            first.page = page;
            first.command = command;
        }
        first.deadline = 1;
    }
};

}  // namespace holon::ssi::dsm
