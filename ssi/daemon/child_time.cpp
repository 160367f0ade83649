// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/child_time.h"

#include <algorithm>
#include <map>

#include "ssi/inject/process.h"

namespace holon::ssi::daemon {
namespace {

// Where two entries meet, their sum must stay a number of ns that a process may be told.
constexpr std::uint64_t most_time = std::uint64_t{1} << 60;

constexpr pid_t some_child = -1;

void add_up(inject::UsedElsewhere& sum, const inject::UsedElsewhere& more) {
    sum.user = std::min(sum.user + std::min(more.user, most_time), most_time);
    sum.system = std::min(sum.system + std::min(more.system, most_time), most_time);
}

}  // namespace

// Processes as they are now, each looked at once.
class ChildTime::Look {
  public:
    explicit Look(const Processes& processes) : processes_(processes) {}
    bool there(const Id& id) {
        const auto [found, fresh] = started_.try_emplace(id.process, 0);
        if (fresh) found->second = processes_.started(id.process);
        return found->second == id.started;
    }

  private:
    const Processes& processes_;
    std::map<pid_t, std::uint64_t> started_;
};

ChildTime::ChildTime()
    : ChildTime(Processes{&inject::parent_of, &inject::start_time}, std::chrono::seconds(1)) {}

std::vector<ChildTime::Id> ChildTime::line_of(pid_t process) const {
    std::vector<Id> line;
    for (pid_t each = process; each > 1 && line.size() < most_ancestors;
         each = processes_.parent(each))
        line.push_back({each, processes_.started(each)});
    return line;
}

std::uint64_t ChildTime::begin(pid_t process) {
    Entry entry{line_of(process), 0, {}};
    const std::lock_guard lock(mutex_);
    entry.number = next_++;
    const std::uint64_t number = entry.number;
    entries_.push_back(std::move(entry));
    return number;
}

void ChildTime::add(pid_t process, const UsedElsewhere& used) {
    Entry entry{line_of(process), 0, {}};
    add_up(entry.used, used);
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= most_entries) advance_all();
    // As many programs have threads now.
    while (entries_.size() >= most_entries) {
        const auto oldest = std::find_if(entries_.begin(), entries_.end(),
                                         [](const Entry& each) { return each.number == 0; });
        if (oldest == entries_.end()) break;
        entries_.erase(oldest);
    }
    put(std::move(entry));
}

void ChildTime::settle(std::uint64_t number, const UsedElsewhere& used) {
    {
        const std::lock_guard lock(mutex_);
        advance_all();
        const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
            return each.number != 0 && each.number == number;
        });
        if (found == entries_.end()) return;
        Entry entry = std::move(*found);
        entries_.erase(found);
        entry.number = 0;
        add_up(entry.used, used);
        if (entry.used.user != 0 || entry.used.system != 0) put(std::move(entry));
    }
    settled_.notify_all();
}

// Two that nobody can tell any more are one.
void ChildTime::put(Entry entry) {
    for (Entry& each : entries_)
        if (each.number == 0 && entry.number == 0 && each.gone == entry.gone &&
            each.line == entry.line)
            return add_up(each.used, entry.used);
    entries_.push_back(std::move(entry));
}

// Past those who have gone since.
void ChildTime::advance_all() {
    Look look(processes_);
    std::list<Entry> before;
    before.swap(entries_);
    std::size_t single = 0;
    for (Entry& each : before) {
        while (!each.line.empty() && !look.there(each.line.front())) {
            each.gone = each.line.front().process;
            each.line.erase(each.line.begin());
        }
        if (each.gone > 0) ++single;
    }
    for (Entry& each : before) {
        if (each.gone > 0 && single-- > most_single) each.gone = some_child;
        if (!each.line.empty() || each.number != 0) put(std::move(each));
    }
}

// A child of it, or one of theirs, was waited for, and what it has used is not known yet.
bool ChildTime::unsettled(const Id& asking) {
    advance_all();
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& each) {
        return each.number != 0 && each.gone != 0 && !each.line.empty() &&
               each.line.front() == asking;
    });
}

ChildTime::UsedElsewhere ChildTime::of_children(pid_t process, pid_t child) {
    std::unique_lock lock(mutex_);
    if (entries_.empty()) return {};
    const Id asking{process, processes_.started(process)};
    settled_.wait_for(lock, patience_, [&] { return !unsettled(asking); });
    UsedElsewhere sum;
    for (const Entry& each : entries_) {
        if (each.line.empty()) continue;
        const bool counted =
            each.line.front() == asking && each.gone != 0 && (child == 0 || each.gone == child);
        // One that has ended and that a wait has left as it is (WNOWAIT).
        const bool left = child != 0 && each.line.size() > 1 &&
                          each.line.front().process == child && each.line[1] == asking;
        if (counted || left) add_up(sum, each.used);
    }
    return sum;
}

bool ChildTime::expected(pid_t process) {
    const std::lock_guard lock(mutex_);
    if (entries_.empty()) return false;
    advance_all();
    const Id asking{process, processes_.started(process)};
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& each) {
        return (!each.line.empty() && each.line.front() == asking && each.gone != 0 &&
                each.number != 0) ||
               (each.line.size() > 1 &&
                std::find(each.line.begin() + 1, each.line.end(), asking) != each.line.end());
    });
}

}  // namespace holon::ssi::daemon
