// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "ssi/dsm/model/system.h"

namespace holon::ssi::dsm::model {

/// What an exploration found.
struct Result {
    std::uint64_t states = 0;
    std::uint64_t steps = 0;     ///< transitions taken
    std::uint64_t complete = 0;  ///< states in which nothing more happens
    bool bounded = false;        ///< it ended at the limit of states, not because it had seen all
    std::string error;           ///< empty: none
    std::string trace;           ///< the events that lead to the error, one a line
};

/// Goes through every state that can be reached, each once. Order of the search: depth first, which
/// needs little memory; or breadth first, which finds the shortest way to an error.
template <Broken how>
class Explorer {
  public:
    Explorer(const Setup& setup, std::uint64_t limit, bool breadth_first)
        : setup_(setup), limit_(limit), breadth_first_(breadth_first), seen_(1U << 20) {}

    Result run() {
        System<how> initial(setup_);
        remember(initial, 0, {});
        while (!open_.empty() && result_.error.empty() && !result_.bounded) {
            auto [state, number] = breadth_first_ ? open_.front() : open_.back();
            breadth_first_ ? open_.pop_front() : open_.pop_back();
            expand(state, number);
        }
        if (result_.error.empty() && !result_.bounded && setup_.progress) check_progress();
        result_.states = way_.size();
        return std::move(result_);
    }

  private:
    using State = System<how>;
    struct Open {
        State state;
        std::uint32_t number;
    };
    /// How a state was reached first.
    struct Step {
        std::uint32_t from;
        Event event;
    };

    void expand(const State& state, std::uint32_t number) {
        state.enabled(setup_, events_);
        if (events_.empty()) {
            ++result_.complete;
            if (const char* error = state.stuck(setup_)) fail(error, number, nullptr);
            if (setup_.progress) ends_.push_back(number);
            return;
        }
        const std::vector<Event> events = events_;
        for (const auto& event : events) {
            State next = state;
            ++result_.steps;
            if (const char* error = next.apply(setup_, event)) return fail(error, number, &event);
            const std::uint32_t to = remember(next, number, event);
            if (setup_.progress) edges_.push_back({to, number});
            if (result_.bounded) return;
        }
    }

    /// The state's number; it is put on the list if it is new.
    std::uint32_t remember(const State& state, std::uint32_t from, const Event& event) {
        const std::uint64_t key = key_of(state);
        if ((way_.size() + 1) * 2 > seen_.size()) grow();
        std::size_t at = key & (seen_.size() - 1);
        for (; seen_[at].number; at = (at + 1) & (seen_.size() - 1))
            if (seen_[at].key == key) return seen_[at].number;
        way_.push_back({from, event});
        const auto number = static_cast<std::uint32_t>(way_.size());
        seen_[at] = {key, number};
        open_.push_back({state, number});
        result_.bounded = way_.size() >= limit_;
        return number;
    }

    /// Names of remote nodes, and of pages where their order means nothing, do not tell states
    /// apart: the smallest key of all ways to name them counts.
    std::uint64_t key_of(const State& state) {
        const bool pages_alike = setup_.config.first_touch == 1 &&
                                 setup_.config.prefetch_reads == 0 &&
                                 setup_.config.prefetch_writes == 0 && !setup_.single_page &&
                                 setup_.operation != RangeOperation::gather_shared &&
                                 setup_.operation != RangeOperation::gather_exclusive;
        const bool nodes_alike = setup_.accesses[1] == setup_.accesses[2];
        std::uint64_t least = ~std::uint64_t{0};
        for (unsigned nodes_swapped = 0; nodes_swapped <= unsigned{nodes_alike}; ++nodes_swapped)
            for (unsigned pages_swapped = 0; pages_swapped <= unsigned{pages_alike};
                 ++pages_swapped) {
                state.encode(bytes_, nodes_swapped, pages_swapped);
                least = std::min(least, hash());
            }
        return least;
    }
    std::uint64_t hash() {
        while (bytes_.size() % 8) bytes_.push_back(0);
        std::uint64_t high = 0x243f'6a88'85a3'08d3U;
        for (std::size_t at = 0; at < bytes_.size(); at += 8) {
            std::uint64_t word;
            std::memcpy(&word, bytes_.data() + at, 8);
            high = (high ^ word) * 0x9e37'79b9'7f4a'7c15U;
            high ^= high >> 32;
        }
        high *= 0xd6e8'feb8'6659'fd93U;
        return high ^ high >> 32;
    }
    void grow() {
        std::vector<Slot> old(seen_.size() * 2);
        old.swap(seen_);
        for (const auto& slot : old) {
            if (!slot.number) continue;
            std::size_t at = slot.key & (seen_.size() - 1);
            while (seen_[at].number) at = (at + 1) & (seen_.size() - 1);
            seen_[at] = slot;
        }
    }

    void fail(const char* error, std::uint32_t number, const Event* last) {
        std::vector<Event> events;
        for (; number > 1; number = way_[number - 1].from) events.push_back(way_[number - 1].event);
        std::reverse(events.begin(), events.end());
        if (last) events.push_back(*last);
        State state(setup_);
        for (const auto& event : events) {
            result_.trace += "  " + State::text(event, state) + "\n";
            state.apply(setup_, event);
        }
        result_.error = error;
    }

    /// From every state some way leads to an end: nothing goes round for ever.
    void check_progress() {
        std::sort(edges_.begin(), edges_.end());
        std::vector<bool> leads(way_.size() + 1);
        std::vector<std::uint32_t> list = ends_;
        for (const auto end : ends_) leads[end] = true;
        while (!list.empty()) {
            const std::uint32_t to = list.back();
            list.pop_back();
            for (auto edge = std::lower_bound(edges_.begin(), edges_.end(), Edge{to, 0});
                 edge != edges_.end() && edge->to == to; ++edge) {
                if (leads[edge->from]) continue;
                leads[edge->from] = true;
                list.push_back(edge->from);
            }
        }
        for (std::uint32_t number = 1; number <= way_.size(); ++number)
            if (!leads[number])
                return fail("livelock: no way leads from here to an end", number, nullptr);
    }

    struct Slot {
        std::uint64_t key;
        std::uint32_t number;  ///< from 1
    };
    struct Edge {
        std::uint32_t to;
        std::uint32_t from;
        auto operator<=>(const Edge&) const = default;
    };

    Setup setup_;
    std::uint64_t limit_;
    bool breadth_first_;
    std::vector<Slot> seen_;
    std::vector<Step> way_;
    std::deque<Open> open_;
    std::vector<Event> events_;
    std::vector<std::uint8_t> bytes_;
    std::vector<Edge> edges_;
    std::vector<std::uint32_t> ends_;
    Result result_;
};

}  // namespace holon::ssi::dsm::model
